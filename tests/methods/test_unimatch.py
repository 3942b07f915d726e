"""One step of UniMatch against a plain loop."""

import pytest
import torch
import torch.nn.functional as F

from dts.mixing.cutmix import CutMix
from dts.registry import MODELS
from toys import batch_of_two_views, toy_segmentor_config

MIX = dict(type='dts.CutMix', probability=1.0)


def build(**kwargs):
    torch.manual_seed(0)
    config = dict(type='dts.UniMatch', student=toy_segmentor_config(), threshold=0.4, mix=MIX)
    return MODELS.build({**config, **kwargs}).train()


def losses_of(method, seed=5):
    data = method.data_preprocessor(batch_of_two_views(), training=True)
    torch.manual_seed(seed)
    return data, method(**data, mode='loss')


def masked_mean(logits, label, confidence, threshold=0.4):
    logs = torch.log_softmax(logits, 1)
    sure = (confidence >= threshold).nonzero().tolist()
    assert 0 < len(sure) < label.numel()
    return -sum(logs[b, label[b, r, c], r, c] for b, r, c in sure) / label.numel()


def test_loss_equals_a_loop_over_pixels():
    method = build()
    data, losses = losses_of(method)
    images, student = data['inputs'], method.student
    torch.manual_seed(5)
    features = student.backbone(torch.cat([images['labeled'], images['unlabeled_weak']]))[0]
    dropped = F.dropout2d(features[2:], 0.5, training=True)
    # one pass through the head: its BatchNorm would see all three parts
    logits = student.decode_head([torch.cat([features, dropped])])
    confidence, label = logits[2:5].detach().softmax(1).max(1)
    strong, labels, confidences = [], [], []
    for branch in ('unlabeled_strong', 'unlabeled_strong_2'):
        boxes = CutMix(probability=1.0)(label, 3).mask
        mixed, mixed_label, mixed_confidence = (
            images[branch].clone(),
            label.clone(),
            confidence.clone(),
        )
        for b, r, c in boxes.nonzero().tolist():
            other = (b + 1) % 3
            mixed[b, :, r, c] = images[branch][other, :, r, c]
            mixed_label[b, r, c] = label[other, r, c]
            mixed_confidence[b, r, c] = confidence[other, r, c]
        strong.append(mixed)
        labels.append(mixed_label)
        confidences.append(mixed_confidence)
    logits_strong = student.decode_head(student.backbone(torch.cat(strong))).chunk(2)
    terms = [masked_mean(*args) for args in zip(logits_strong, labels, confidences, strict=True)]
    torch.testing.assert_close(losses['strong.loss_ce'], 0.25 * (terms[0] + terms[1]))
    expected = 0.5 * masked_mean(logits[5:], label, confidence)
    torch.testing.assert_close(losses['features.loss_ce'], expected)
    truth = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    torch.testing.assert_close(losses['sup.decode.loss_ce'], F.cross_entropy(logits[:2], truth))


def test_labelled_and_unlabelled_terms_have_losses_of_their_own():
    weights = dict(type='dts.CrossEntropy', class_weight=[5.0, 1.0, 0.5])
    data, losses = losses_of(build())
    split = losses_of(build(criterion=weights, unlabeled_criterion=dict(type='dts.CrossEntropy')))[
        1
    ]
    shared = losses_of(build(criterion=weights))[1]
    for name in ('strong.loss_ce', 'features.loss_ce'):
        torch.testing.assert_close(split[name], losses[name])
        assert abs(shared[name] - losses[name]) > 1e-3
    student = build().student
    images = data['inputs']
    features = student.backbone(torch.cat([images['labeled'], images['unlabeled_weak']]))[0]
    torch.manual_seed(5)
    dropped = F.dropout2d(features[2:], 0.5, training=True)
    logits = student.decode_head([torch.cat([features, dropped])])[:2]
    truth = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    expected = F.cross_entropy(logits, truth, weight=torch.tensor([5.0, 1.0, 0.5]))
    torch.testing.assert_close(split['sup.decode.loss_ce'], expected)


def test_pseudo_labels_give_no_gradient_to_the_weak_view():
    method = build(threshold=0.0)
    weak = method.data_preprocessor(batch_of_two_views(), training=True)
    weak['inputs']['unlabeled_weak'].requires_grad_(True)
    losses = method(**weak, mode='loss')
    gradient = torch.autograd.grad(
        losses['strong.loss_ce'], weak['inputs']['unlabeled_weak'], allow_unused=True
    )
    assert gradient == (None,)


def test_an_unsure_student_teaches_itself_nothing_and_no_teacher_is_needed():
    _, losses = losses_of(build(threshold=1.0))
    assert losses['strong.loss_ce'] == losses['features.loss_ce'] == 0
    with pytest.raises(ValueError, match=r'threshold must be in \[0, 1\], got 2'):
        build(threshold=2)
