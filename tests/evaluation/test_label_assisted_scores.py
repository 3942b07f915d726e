"""A label-assisted network has three scores: with image and labels, with either alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator
from test_loops import ToyDataset, ToyRunner, collate
from torch.utils.data import DataLoader

from dts.evaluation.checkpoint_models import CheckpointModels
from dts.evaluation.loops import ModelsTestLoop, ModelsValLoop
from dts.evaluation.metric import SegmentationMetric
from dts.evaluation.models import available_models, select_models
from dts.registry import MODELS
from toys import toy_segmentor_config


def oracle_config(num_classes: int = 3) -> Any:
    config = toy_segmentor_config(num_classes, channels=num_classes)
    config.type = 'dts.LabelAssistedEncoderDecoder'
    config.codes = dict(type='dts.LabelCodes', family='one_hot', scale=1.0, pixel_sigma=0.0)
    return config


def oracle_method(num_classes: int = 3) -> Any:
    """A method whose network answers with the class that its code shows."""
    method = MODELS.build(dict(type='dts.LabelAssistedTeacher', student=oracle_config(num_classes)))
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.zero_()
        method.student.backbone.norm.weight.fill_(1.0)
        for k in range(num_classes):
            method.student.backbone.conv.weight[k, 3 + k, 1, 1] = 1.0
            method.student.decode_head.conv_seg.weight[k, k] = 1.0
    return method


def loader_and_evaluator() -> tuple[DataLoader, Evaluator]:
    loader = DataLoader(ToyDataset(), batch_size=2, collate_fn=collate)
    return loader, Evaluator([SegmentationMetric()])


def check(metrics: dict[str, float], loader: DataLoader) -> None:
    samples = [sample['data_samples'].gt_sem_seg.data for sample in loader.dataset.samples]
    share = (torch.stack(samples) == 0).float().mean().item()
    assert metrics['teacher_with_labels/mIoU'] == pytest.approx(100)
    assert metrics['teacher_blank_image/mIoU'] == pytest.approx(100)  # it copies them
    # without labels all is class 0: its IoU is its share, that of the two others 0
    assert metrics['teacher_zeroed/mIoU'] == pytest.approx(100 * share / 3, abs=0.01)


def test_validation_scores_the_network_with_labels_and_without(tmp_path):
    method = oracle_method().train()
    loader, evaluator = loader_and_evaluator()
    names = ['teacher_with_labels', 'teacher_blank_image', 'teacher_zeroed']
    assert list(available_models(method)) == names
    loop = ModelsValLoop(ToyRunner(method, tmp_path), loader, evaluator, models=names)
    check(loop.run(), loader)
    assert all(module.training for module in method.student.modules())
    with pytest.raises(ValueError, match="no network named 'student'"):
        select_models(method, ['student'])


def test_a_file_is_scored_with_labels_and_without(tmp_path):
    file = str(tmp_path / 'iter_1.pth')
    torch.save(oracle_method().student.state_dict(), file)
    model = MODELS.build(
        dict(type='dts.CheckpointModels', segmentor=oracle_config(), checkpoint=file)
    )
    loader, evaluator = loader_and_evaluator()
    loop = ModelsTestLoop(ToyRunner(model, tmp_path), loader, evaluator)
    check(loop.run(), loader)


@pytest.mark.parametrize('names', [['teacher_zeroed'], ['teacher_zeroed', 'teacher_with_labels']])
def test_scores_of_a_file_can_be_chosen_by_name(tmp_path, names):
    """``tools/test.py --models`` gives the same names to the model and to the loop."""
    file = str(tmp_path / 'iter_1.pth')
    torch.save(oracle_method().student.state_dict(), file)
    model = CheckpointModels(oracle_config(), file, names)
    loader, evaluator = loader_and_evaluator()
    loop = ModelsTestLoop(ToyRunner(model, tmp_path), loader, evaluator, models=names)
    assert list(model.networks) == names
    scores = loop.run()
    assert [name for name in scores if name.endswith('/mIoU')] == [f'{n}/mIoU' for n in names]
    with pytest.raises(ValueError, match="'student', it has: teacher_with_labels, teacher_bl"):
        CheckpointModels(oracle_config(), file, ['student'])
