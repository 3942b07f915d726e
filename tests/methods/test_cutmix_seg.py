"""One step of CutMix-Seg against a plain loop."""

import pytest
import torch
import torch.nn.functional as F

from dts.mixing.cutmix import HalfCutMix
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import toy_batch, toy_segmentor_config


def build(**kwargs):
    torch.manual_seed(0)
    config = dict(type='dts.CutMixSeg', student=toy_segmentor_config(), threshold=0.5)
    method = MODELS.build({**config, **kwargs}).train()
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher']))
    with torch.no_grad():
        method.teachers['teacher'].segmentor.decode_head.conv_seg.weight.normal_()
    return method


@pytest.mark.parametrize('mix', [None, dict(type='dts.HalfCutMix')])
def test_loss_equals_a_loop_over_pixels(mix):
    method = build(mix=mix, consistency_weight=0.7)
    batch = toy_batch(num_unlabeled=3)
    for branch in ('unlabeled_weak', 'unlabeled_strong'):
        batch['inputs'][branch][0] = batch['inputs'][branch][0][:, :10]  # padded back to 16 rows
    data = method.data_preprocessor(batch, training=True)
    torch.manual_seed(5)
    losses = method(**data, mode='loss')

    images, student = data['inputs'], method.student
    teacher = method.teachers['teacher'].segmentor
    torch.manual_seed(5)
    probs = teacher.decode_head(teacher.backbone(images['unlabeled_weak'])).softmax(1)
    valid = torch.ones(3, 16, 16, dtype=torch.bool)
    valid[0, 10:] = False
    boxes = HalfCutMix()(valid.long(), 3).mask if mix else torch.zeros_like(valid)
    mixed, mixed_probs, mixed_valid = (
        images['unlabeled_strong'].clone(),
        probs.clone(),
        valid.clone(),
    )
    for b, r, c in boxes.nonzero().tolist():
        other = (b + 1) % 3
        mixed[b, :, r, c] = images['unlabeled_strong'][other, :, r, c]
        mixed_probs[b, :, r, c] = probs[other, :, r, c]
        mixed_valid[b, r, c] = valid[other, r, c]
    logits = student.decode_head(student.backbone(torch.cat([images['labeled'], mixed])))
    student_probs = logits[2:].softmax(1)
    pixels = mixed_valid.nonzero().tolist()
    errors = [((student_probs - mixed_probs)[b, :, r, c] ** 2).sum() for b, r, c in pixels]
    share = sum(float(mixed_probs[b, :, r, c].max() >= 0.5) for b, r, c in pixels) / len(pixels)
    assert 0.05 < share < 0.95
    expected = 0.7 * share * sum(errors) / len(pixels)
    torch.testing.assert_close(losses['consistency.loss_mse'], expected)
    truth = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    torch.testing.assert_close(losses['sup.decode.loss_ce'], F.cross_entropy(logits[:2], truth))


def test_an_unsure_teacher_teaches_nothing():
    method = build(threshold=1.0)
    data = method.data_preprocessor(toy_batch(), training=True)
    assert method(**data, mode='loss')['consistency.loss_mse'] == 0
    with pytest.raises(ValueError, match=r'threshold must be in \[0, 1\], got 2'):
        build(threshold=2)


def test_a_negative_weight_is_refused():
    config = dict(type='dts.CutMixSeg', student=toy_segmentor_config(), consistency_weight=-1)
    with pytest.raises(ValueError, match='consistency_weight must be a number >= 0, got -1'):
        MODELS.build(config)
