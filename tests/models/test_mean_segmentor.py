"""The mean segmentor answers with the mean of the logits, by whole images and by windows."""

import numpy as np
import pytest
import torch

from dts.evaluation.models import available_models, evaluation_mode
from dts.models.mean_segmentor import MeanSegmentor
from dts.registry import MODELS
from toys import toy_sample, toy_segmentor_config

WINDOWS = dict(mode='slide', crop_size=(8, 8), stride=(6, 6))


@pytest.mark.parametrize('test_cfg', [dict(mode='whole'), WINDOWS])
def test_scores_are_the_mean_of_the_logits(test_cfg):
    networks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        config = toy_segmentor_config()
        config.test_cfg = test_cfg
        networks.append(MODELS.build(config).eval())
    sample = toy_sample((16, 16), 3, np.random.default_rng(0))
    data = {key: [value] for key, value in sample.items()}
    mean = MeanSegmentor(networks).eval()
    with torch.no_grad():
        found, first, second = (
            network.test_step({k: [v.clone() for v in vs] for k, vs in data.items()})[0]
            for network in (mean, *networks)
        )
    expected = (first.seg_logits.data + second.seg_logits.data) / 2
    torch.testing.assert_close(found.seg_logits.data, expected)
    assert torch.equal(found.pred_sem_seg.data[0], expected.argmax(0))
    assert not torch.equal(found.pred_sem_seg.data, first.pred_sem_seg.data)


def test_a_method_of_two_students_offers_their_mean_and_keeps_its_modes():
    host = dict(type='dts.SelfTraining', student=toy_segmentor_config())
    method = MODELS.build(dict(type='dts.DualTeacherStudent', host=host)).train()
    networks = available_models(method)
    assert list(networks) == ['student', 'student_2', 'mean']
    with evaluation_mode(networks):
        assert not any(module.training for module in method.student_2.modules())
    assert method.student_2.training
    assert not any(name.startswith('mean') for name in method.state_dict())
