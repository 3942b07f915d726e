"""The contract of a method: keys, delegation, and the supervised baseline."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dts.methods.base import valid_pixels
from dts.registry import MODELS
from dts.segmentor import Box, HeadLogits
from dts.teachers.bank import TeacherBank
from toys import toy_batch, toy_sample, toy_segmentor_config


@pytest.fixture
def method():
    return MODELS.build(dict(type='dts.Supervised', student=toy_segmentor_config())).train()


def test_supervised_loss_is_the_cross_entropy_of_the_labeled_branch(method):
    data = method.data_preprocessor(toy_batch(num_unlabeled=0), training=True)
    losses = method(**data, mode='loss')
    student = method.student
    logits = student.decode_head(student.extract_feat(data['inputs']['labeled']))
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    assert list(losses) == ['sup.decode.loss_ce']
    torch.testing.assert_close(losses['sup.decode.loss_ce'], F.cross_entropy(logits, labels))


def test_every_head_is_scored_with_its_own_weight():
    config = toy_segmentor_config()
    config['auxiliary_head'] = dict(
        config['decode_head'], loss_decode=dict(type='mmseg.CrossEntropyLoss', loss_weight=0.4)
    )
    method = MODELS.build(dict(type='dts.Supervised', student=config)).train()
    data = method.data_preprocessor(toy_batch(num_unlabeled=0), training=True)
    losses = method(**data, mode='loss')
    features = method.student.extract_feat(data['inputs']['labeled'])
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    expected = 0.4 * F.cross_entropy(method.student.auxiliary_head(features), labels)
    torch.testing.assert_close(losses['sup.aux.loss_ce'], expected)


def test_scores_of_a_window_meet_labels_and_weights_of_the_window(method):
    labels, weights = torch.randint(0, 3, (2, 8, 8)), torch.rand(2, 8, 8)
    logits = torch.randn(2, 3, 4, 5)
    head = HeadLogits('detail', 0.1, logits, Box(2, 6, 1, 6))
    losses = method.score_heads([head], labels, 'mix', weights)
    loss_map = F.cross_entropy(logits, labels[:, 2:6, 1:6], reduction='none')
    expected = 0.1 * (weights[:, 2:6, 1:6] * loss_map).mean()
    torch.testing.assert_close(losses, {'mix.detail.loss_ce': expected})


def test_predictions_are_the_students(method):
    rng = np.random.default_rng(0)
    samples = [toy_sample((12, 14), 3, rng) for _ in range(2)]
    data = {key: [s[key] for s in samples] for key in ('inputs', 'data_samples')}
    method.eval()
    ours = method.val_step({'inputs': data['inputs'], 'data_samples': None})
    theirs = method.student.val_step({'inputs': data['inputs'], 'data_samples': None})
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a.seg_logits.data, b.seg_logits.data)


@pytest.mark.parametrize('key', ['loss', 'aux.acc_seg', 'stat_loss_ratio', 'lossless.ratio'])
def test_a_key_that_would_be_summed_by_accident_is_refused(method, key):
    with pytest.raises(ValueError, match=repr(key)):
        method.parse_losses({key: torch.tensor(1.0)})


def test_terms_are_summed_and_statistics_are_not(method):
    total, logged = method.parse_losses(
        {
            'sup.loss_ce': torch.tensor(1.0),
            'loss_unsup': torch.tensor(2.0),
            'stat_ratio': torch.tensor(5.0),
        }
    )
    assert total == 3
    assert logged['stat_ratio'] == 5


def test_teachers_of_a_second_hook_are_refused_not_taken(method):
    first = TeacherBank.from_student(method.student, ['teacher'])
    method.attach_teachers(first)
    method.attach_teachers(first)
    message = r"two hooks own teachers of Supervised, \['teacher'\] and \['teacher.0'\]: leave one"
    with pytest.raises(ValueError, match=message):
        method.attach_teachers(TeacherBank.from_student(method.student, ['teacher.0']))
    assert method.teachers is first


def test_valid_pixels_are_the_image_without_its_padding():
    samples = [
        toy_sample(size, None, np.random.default_rng(0))['data_samples']
        for size in [(2, 3), (1, 4)]
    ]
    mask = valid_pixels(torch.zeros(2, 3, 2, 4), samples)
    assert mask.int().tolist() == [[[1, 1, 1, 0], [1, 1, 1, 0]], [[1, 1, 1, 1], [0, 0, 0, 0]]]
