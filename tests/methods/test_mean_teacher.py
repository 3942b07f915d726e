"""One step of Mean Teacher against a plain loop, and what defines the method."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper

from dts.mixing.cutmix import CutMix
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import toy_batch, toy_segmentor_config


def build(**kwargs):
    config = dict(type='dts.MeanTeacher', student=toy_segmentor_config(), threshold=0.4, **kwargs)
    method = MODELS.build(config).train()
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher']))
    teacher = method.teachers['teacher']
    with torch.no_grad():  # a teacher of its own, as after some training
        teacher.segmentor.decode_head.conv_seg.weight.normal_()
    return method


def losses_of(method, batch=None):
    data = method.data_preprocessor(batch or toy_batch(), training=True)
    return method(**data, mode='loss')


def scores(segmentor, images):
    return segmentor.decode_head(segmentor.extract_feat(images))


def test_loss_equals_a_loop_over_pixels():
    method = build(unlabeled_weight=0.7, mix=dict(type='dts.CutMix', probability=1.0))
    data = method.data_preprocessor(toy_batch(), training=True)
    torch.manual_seed(5)
    losses = method(**data, mode='loss')

    torch.manual_seed(5)  # the step draws nothing but the boxes
    boxes = CutMix(probability=1.0)(torch.zeros(2, 16, 16), 5).mask
    images = data['inputs']
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    probs = scores(method.teachers['teacher'].segmentor, images['unlabeled_weak']).softmax(1)
    mixed = images['unlabeled_strong'].clone()
    target, confidence = probs.argmax(1), probs.max(1).values
    mixed_target, mixed_confidence = target.clone(), confidence.clone()
    for b, row, column in boxes.nonzero().tolist():
        other = 1 - b
        mixed[b, :, row, column] = images['unlabeled_strong'][other, :, row, column]
        mixed_target[b, row, column] = target[other, row, column]
        mixed_confidence[b, row, column] = confidence[other, row, column]
    logits = scores(method.student, torch.cat([images['labeled'], mixed]))
    terms = [
        -torch.log_softmax(logits[2 + b, :, row, column], 0)[mixed_target[b, row, column]]
        for b in range(2)
        for row in range(16)
        for column in range(16)
        if mixed_confidence[b, row, column] >= 0.4
    ]
    assert 0 < len(terms) < 2 * 16 * 16
    torch.testing.assert_close(losses['sup.decode.loss_ce'], F.cross_entropy(logits[:2], labels))
    torch.testing.assert_close(losses['unsup.loss_ce'], 0.7 * sum(terms) / (2 * 16 * 16))


def test_classes_of_labeled_images_are_pasted_with_their_labels_at_full_weight():
    method = build(labeled_mix=0.5)
    data = method.data_preprocessor(toy_batch(num_unlabeled=5), training=True)
    torch.manual_seed(6)
    losses = method(**data, mode='loss')

    torch.manual_seed(6)
    is_mixed = torch.rand(5) < 0.5
    assert 0 < is_mixed.sum() < 5
    draws = torch.rand(5, 3)
    images = data['inputs']
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    probs = scores(method.teachers['teacher'].segmentor, images['unlabeled_weak']).softmax(1)
    confidence, target = probs.max(1)
    mixed, weight = images['unlabeled_strong'].clone(), (confidence >= 0.4).float()
    for b in range(5):
        other = b % 2
        shown = sorted(set(labels[other].flatten().tolist()))
        by_draw = sorted(shown, key=lambda k, b=b: float(draws[b, k]))
        for k in by_draw[: (len(shown) + 1) // 2] if is_mixed[b] else []:
            where = labels[other] == k
            mixed[b][:, where] = images['labeled'][other][:, where]
            target[b][where], weight[b][where] = k, 1.0
    logits = scores(method.student, torch.cat([images['labeled'], mixed]))[2:]
    expected = (weight * F.cross_entropy(logits, target, reduction='none')).mean()
    torch.testing.assert_close(losses['unsup.loss_ce'], expected)


def test_nothing_is_learned_from_an_unsure_teacher():
    method = build()
    method.threshold = 1.0
    losses = losses_of(method)
    assert losses['unsup.loss_ce'] == 0
    assert losses['stat_accepted_ratio'] == 0
    losses['unsup.loss_ce'].backward()
    assert all(p.grad is None or not p.grad.any() for p in method.student.parameters())


def test_teacher_has_no_gradient_and_does_not_move_in_a_step():
    method = build()
    before = {k: v.clone() for k, v in method.teachers['teacher'].state_dict().items()}
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.1))
    method.train_step(toy_batch(), wrapper)
    assert all(p.grad is None for p in method.teachers['teacher'].parameters())
    after = method.teachers['teacher'].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(name.startswith('_teachers') for name in method.state_dict())
    assert len(list(method.parameters())) == len(list(method.student.parameters()))


def test_overfitting_one_batch_lowers_the_loss():
    method = build()
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.01))
    values = [method.train_step(toy_batch(), wrapper)['loss'].item() for _ in range(8)]
    assert values[-1] < 0.9 * values[0]


def test_ramp_follows_the_updates_of_the_teacher():
    method = build(ramp_steps=10)
    for updates, factor in ((0, 0.0), (5, 0.5), (10, 1.0), (50, 1.0)):
        method.teachers['teacher'].updates = updates
        torch.manual_seed(0)
        value = losses_of(method)['unsup.loss_ce']
        method.ramp_steps = 0
        full = losses_of(method)['unsup.loss_ce']
        method.ramp_steps = 10
        torch.testing.assert_close(value, factor * full)


def test_padding_of_unlabeled_images_teaches_nothing():
    method = build()
    batch = toy_batch(size=(16, 16))
    for branch in ('unlabeled_weak', 'unlabeled_strong'):
        batch['inputs'][branch][0] = batch['inputs'][branch][0][:, :10]  # padded back to 16 rows
    data = method.data_preprocessor(batch, training=True)
    method(**data, mode='loss')['unsup.loss_ce'].backward()
    samples = data['data_samples']['unlabeled_weak']
    assert [s.img_shape[0] for s in samples] == [10, 16]
    valid = (10 + 16) * 16
    probs = scores(method.teachers['teacher'].segmentor, data['inputs']['unlabeled_weak']).softmax(
        1
    )
    accepted = (probs.max(1).values[0, :10] >= 0.4).sum() + (probs.max(1).values[1] >= 0.4).sum()
    ratio = method(**data, mode='loss')['stat_accepted_ratio']
    torch.testing.assert_close(ratio, accepted / valid)


def test_hidden_labels_change_a_statistic_only():
    method = build()
    batch, hidden = toy_batch(), toy_batch()
    for sample, labeled in zip(
        hidden['data_samples']['unlabeled_weak'], hidden['data_samples']['labeled'], strict=True
    ):
        sample.gt_sem_seg = labeled.gt_sem_seg.clone()
    without, with_labels = losses_of(method, batch), losses_of(method, hidden)
    assert 0 < with_labels.pop('stat_pseudo_accuracy') < 1
    torch.testing.assert_close(with_labels, without)


@pytest.mark.parametrize(
    'option', [dict(unlabeled_weight=-1.0), dict(ramp_steps=-5), dict(ramp_steps='5')]
)
def test_negative_weights_and_ramps_are_refused(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f'{name} must be a number >= 0, got {value!r}'):
        MODELS.build(dict(type='dts.MeanTeacher', student=toy_segmentor_config(), **option))


def test_errors_name_the_missing_hook_and_the_range():
    method = MODELS.build(dict(type='dts.MeanTeacher', student=toy_segmentor_config()))
    with pytest.raises(RuntimeError, match='EmaTeacherHook'):
        losses_of(method)
    with pytest.raises(ValueError, match=r'threshold must be in \[0, 1\], got 95'):
        MODELS.build(dict(type='dts.MeanTeacher', student=toy_segmentor_config(), threshold=95))
