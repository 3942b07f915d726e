"""One step of Dual Teacher against a plain loop, and the properties that define it."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper

from dts.mixing.classmix import ClassMix
from dts.mixing.cutmix import BetaCutMix
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import toy_batch, toy_segmentor_config

THRESHOLD = 0.5
OPERATIONS = (BetaCutMix(), ClassMix())


def build(active=0, num_classes=3, num_teachers=2, **kwargs):
    config = dict(type='dts.DualTeacher', student=toy_segmentor_config(num_classes), **kwargs)
    method = MODELS.build({'threshold': THRESHOLD, **config}).train()
    names = [f'teacher.{index}' for index in range(num_teachers)]
    bank = TeacherBank.from_student(method.student, names)
    torch.manual_seed(0)
    with torch.no_grad():  # teachers of their own, as after some training
        for name in bank.names:
            bank[name].segmentor.decode_head.conv_seg.weight.normal_()
    bank.active = f'teacher.{active}'
    method.attach_teachers(bank)
    return method


def losses_of(method, batch=None, seed=0):
    data = method.data_preprocessor(batch or toy_batch(), training=True)
    torch.manual_seed(seed)
    return method(**data, mode='loss')


def scores(segmentor, images):
    return segmentor.decode_head(segmentor.extract_feat(images))


@pytest.mark.parametrize('active', [0, 1])
def test_loss_equals_a_loop_over_pixels(active):
    method = build(active, consistency_weight=0.3)
    batch = toy_batch(num_unlabeled=3)
    for branch in ('unlabeled_weak', 'unlabeled_strong'):
        batch['inputs'][branch][0] = batch['inputs'][branch][0][:, :10]  # padded back to 16 rows
    data = method.data_preprocessor(batch, training=True)
    torch.manual_seed(5)
    losses = method(**data, mode='loss')

    images = data['inputs']
    valid = torch.ones(3, 16, 16, dtype=torch.bool)
    valid[0, 10:] = False
    teacher = method.teachers[f'teacher.{active}'].segmentor
    probs = scores(teacher, images['unlabeled_weak']).softmax(1)
    confidence, label = probs.max(1)
    torch.manual_seed(5)  # the step draws nothing but the mix
    plan = OPERATIONS[active](torch.where(valid, label, 255), 3)
    mixed = images['unlabeled_strong'].clone()
    mixed_label, mixed_confidence, mixed_valid = label.clone(), confidence.clone(), valid.clone()
    for b, row, column in plan.mask.nonzero().tolist():
        other = (b + 1) % 3
        mixed[b, :, row, column] = images['unlabeled_strong'][other, :, row, column]
        mixed_label[b, row, column] = label[other, row, column]
        mixed_confidence[b, row, column] = confidence[other, row, column]
        mixed_valid[b, row, column] = valid[other, row, column]

    logits = scores(method.student, torch.cat([images['labeled'], mixed]))
    logs = torch.log_softmax(logits[2:], 1)
    sure = (mixed_confidence >= THRESHOLD) & mixed_valid
    shares = sure.flatten(1).sum(1) / mixed_valid.flatten(1).sum(1)
    if active == 1:
        shares = (sure.sum() / mixed_valid.sum()).expand(3)
    pixels = mixed_valid.nonzero().tolist()
    total = -sum(shares[b] * logs[b, mixed_label[b, r, c], r, c] for b, r, c in pixels)
    assert 0.05 < float(shares[1]) < 0.95
    torch.testing.assert_close(losses['mix.loss_ce'], total / len(pixels))

    logs = torch.log_softmax(scores(method.student, images['unlabeled_strong']), 1)
    sure = ((confidence >= THRESHOLD) & valid).nonzero().tolist()
    total = -sum(logs[b, label[b, r, c], r, c] for b, r, c in sure)
    torch.testing.assert_close(losses['consistency.loss_ce'], 0.3 * total / valid.sum())

    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    torch.testing.assert_close(losses['sup.decode.loss_ce'], F.cross_entropy(logits[:2], labels))


@pytest.mark.parametrize('active', [0, 1])
def test_unsure_teachers_teach_nothing_and_sure_ones_everything(active):
    method = build(active, threshold=1.0)
    losses = losses_of(method)
    assert losses['mix.loss_ce'] == losses['consistency.loss_ce'] == 0
    (losses['mix.loss_ce'] + losses['consistency.loss_ce']).backward()
    assert all(p.grad is None or not p.grad.any() for p in method.student.parameters())
    method = build(active, threshold=0.0)
    sure = losses_of(method)
    method.weighting = [lambda target, threshold: torch.ones(target.labels.shape)] * 2
    torch.testing.assert_close(losses_of(method)['mix.loss_ce'], sure['mix.loss_ce'])


def test_labels_of_labeled_images_do_not_touch_the_unlabeled_terms():
    method, batch, other = build(), toy_batch(), toy_batch()
    for sample in other['data_samples']['labeled']:
        sample.gt_sem_seg.data = torch.full_like(sample.gt_sem_seg.data, 255)
    one, two = losses_of(method, batch), losses_of(method, other)
    assert one['sup.decode.loss_ce'] != two['sup.decode.loss_ce']
    assert torch.equal(one['consistency.loss_ce'], two['consistency.loss_ce'])
    assert torch.equal(one['mix.loss_ce'], two['mix.loss_ce'])


@pytest.mark.parametrize('num_classes', [2, 19, 150])
@pytest.mark.parametrize('active', [0, 1])
def test_any_number_of_classes_learns(num_classes, active):
    method = build(active, num_classes=num_classes, threshold=0.0)
    method.parse_losses(losses_of(method, toy_batch(num_classes=num_classes)))[0].backward()
    gradient = method.student.decode_head.conv_seg.weight.grad
    assert gradient.isfinite().all()
    assert (gradient != 0).any(1).all()


@pytest.mark.parametrize('active', [0, 1])
def test_overfitting_one_batch_lowers_the_loss(active):
    method = build(active)
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.03))
    torch.manual_seed(0)
    values = [method.train_step(toy_batch(), wrapper)['loss'].item() for _ in range(12)]
    assert values[-1] < 0.9 * values[0]
    assert all(p.grad is None for n in method.teachers.names for p in teacher_weights(method, n))


def teacher_weights(method, name):
    return method.teachers[name].parameters()


def test_only_the_teacher_on_duty_is_asked_and_once():
    method = build(active=1)
    asked = []
    for name in method.teachers.names:
        method.teachers[name].segmentor.register_forward_pre_hook(lambda *_: None)
        original = method.teachers[name].logits
        method.teachers[name].logits = lambda images, name=name, original=original: (
            asked.append(name) or original(images)
        )
    losses_of(method)
    assert asked == ['teacher.1']


def test_without_consistency_the_term_and_its_forward_are_gone():
    method = build(consistency_weight=0.0)
    calls = []
    method.student.backbone.register_forward_hook(lambda *_: calls.append(1))
    assert 'consistency.loss_ce' not in losses_of(method)
    assert len(calls) == 1


def test_more_teachers_than_operations_use_them_in_turn():
    method = build(num_teachers=3, threshold=0.0, consistency_weight=0.0)
    bank = method.teachers
    bank['teacher.2'].load_state_dict(bank['teacher.0'].state_dict())
    bank.active = 'teacher.2'
    third = losses_of(method)
    bank.active = 'teacher.0'
    torch.testing.assert_close(third, losses_of(method))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match='one entry per teacher, got 1 and 2'):
        build(mix=[None])
    with pytest.raises(ValueError, match=r'threshold must be in \[0, 1\], got 95'):
        build(threshold=95)
    with pytest.raises(ValueError, match=r"write weighting=\['pixel_mask', 'pixel_mask'\] for two"):
        build(weighting='pixel_mask')
    with pytest.raises(ValueError, match=r"mix must be a list .* got \{'type': 'dts.CutMix'\}"):
        build(mix=dict(type='dts.CutMix'))
    for weight in (-0.1, '0.2'):
        with pytest.raises(ValueError, match='consistency_weight must be a number >= 0, got'):
            build(consistency_weight=weight)
    with pytest.raises(ValueError, match='kind of a sub-network'):
        build(sub_network='half')


def test_classes_of_labeled_images_are_pasted_after_the_mix_of_the_teacher_on_duty():
    method = build(
        active=1,
        labeled_mix=0.5,
        consistency_weight=0.0,
        weighting=['pixel_mask', 'pixel_mask'],
    )
    data = method.data_preprocessor(toy_batch(num_unlabeled=5), training=True)
    torch.manual_seed(6)
    losses = method(**data, mode='loss')

    images = data['inputs']
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    probs = scores(method.teachers['teacher.1'].segmentor, images['unlabeled_weak']).softmax(1)
    confidence, target = probs.max(1)
    torch.manual_seed(6)
    plan = ClassMix()(target, 3)
    is_mixed = torch.rand(5) < 0.5
    draws = torch.rand(5, 3)
    mixed, confidence_mixed, target_mixed = (
        t.clone() for t in (images['unlabeled_strong'], confidence, target)
    )
    for b, row, column in plan.mask.nonzero().tolist():
        other = (b + 1) % 5
        mixed[b, :, row, column] = images['unlabeled_strong'][other, :, row, column]
        confidence_mixed[b, row, column] = confidence[other, row, column]
        target_mixed[b, row, column] = target[other, row, column]
    weight = (confidence_mixed >= THRESHOLD).float()
    assert 0 < is_mixed.sum() < 5
    for b in is_mixed.nonzero().flatten().tolist():
        shown = sorted(set(labels[b % 2].flatten().tolist()))
        by_draw = sorted(shown, key=lambda k, b=b: float(draws[b, k]))
        for k in by_draw[: (len(shown) + 1) // 2]:
            where = labels[b % 2] == k
            mixed[b][:, where] = images['labeled'][b % 2][:, where]
            target_mixed[b][where], weight[b][where] = k, 1.0
    logits = scores(method.student, torch.cat([images['labeled'], mixed]))[2:]
    expected = (weight * F.cross_entropy(logits, target_mixed, reduction='none')).mean()
    torch.testing.assert_close(losses['mix.loss_ce'], expected)
