"""One step of UniMatch V2 against a plain loop."""

import pytest
import torch
import torch.nn.functional as F

from dts.mixing.cutmix import CutMix
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import batch_of_two_views, toy_segmentor_config


def build(**kwargs):
    torch.manual_seed(0)
    mix = dict(type='dts.CutMix', probability=1.0)
    config = dict(type='dts.UniMatchV2', student=toy_segmentor_config(), threshold=0.4, mix=mix)
    method = MODELS.build({**config, **kwargs}).train()
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher']))
    with torch.no_grad():
        method.teachers['teacher'].segmentor.decode_head.conv_seg.weight.normal_()
    return method


def test_loss_equals_a_loop_over_pixels():
    method = build()
    data = method.data_preprocessor(batch_of_two_views(), training=True)
    torch.manual_seed(5)
    losses = method(**data, mode='loss')

    images, student = data['inputs'], method.student
    teacher = method.teachers['teacher'].segmentor
    torch.manual_seed(5)
    probs = teacher.decode_head(teacher.backbone(images['unlabeled_weak'])).softmax(1)
    confidence, label = probs.max(1)
    strong, labels, confidences = [], [], []
    plans = [CutMix(probability=1.0)(label, 3) for _ in range(2)]
    for plan, branch in zip(plans, ('unlabeled_strong', 'unlabeled_strong_2'), strict=True):
        mixed, mixed_label, mixed_confidence = (
            images[branch].clone(),
            label.clone(),
            confidence.clone(),
        )
        for b, r, c in plan.mask.nonzero().tolist():
            other = (b + 1) % 3
            mixed[b, :, r, c] = images[branch][other, :, r, c]
            mixed_label[b, r, c] = label[other, r, c]
            mixed_confidence[b, r, c] = confidence[other, r, c]
        strong.append(mixed)
        labels.append(mixed_label)
        confidences.append(mixed_confidence)
    logits = student.decode_head(student.backbone(images['labeled']))
    features = student.backbone(torch.cat(strong))[0]
    whole = torch.empty(3, 1, 1, 1).bernoulli_(0.5)
    first = 2.0 * torch.empty(3, features.shape[1], 1, 1).bernoulli_(0.5)
    first = whole + (1 - whole) * first
    logits_strong = student.decode_head([features * torch.cat([first, 2 - first])]).chunk(2)
    expected = 0.0
    for one, one_label, one_confidence in zip(logits_strong, labels, confidences, strict=True):
        logs = torch.log_softmax(one, 1)
        sure = (one_confidence >= 0.4).nonzero().tolist()
        assert 0 < len(sure) < label.numel()
        expected -= sum(logs[b, one_label[b, r, c], r, c] for b, r, c in sure) / label.numel()
    torch.testing.assert_close(losses['strong.loss_ce'], 0.5 * expected)
    truth = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    torch.testing.assert_close(losses['sup.decode.loss_ce'], F.cross_entropy(logits, truth))


def test_an_unsure_teacher_teaches_nothing():
    method = build(threshold=1.0)
    data = method.data_preprocessor(batch_of_two_views(), training=True)
    assert method(**data, mode='loss')['strong.loss_ce'] == 0
    with pytest.raises(ValueError, match=r'threshold must be in \[0, 1\], got 2'):
        build(threshold=2)
