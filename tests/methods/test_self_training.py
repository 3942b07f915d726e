"""Twenty steps of DACS against a loop written from its description; the switches one by one."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from torch import nn

from dts.hooks.ema_teacher import EmaTeacherHook
from dts.methods.host import Half, Supervision, show_source
from dts.mixing.block_mask import block_masks
from dts.mixing.cutmix import HalfCutMix
from dts.registry import MODELS
from dts.targets.exchange import Opinion
from dts.targets.pseudo_label import PseudoLabels
from dts.teachers.bank import TeacherBank
from toys import toy_segmentor_config, uda_batch

SIZE, STEPS, THRESHOLD, DECAY = 16, 20, 0.4, 0.8


def build(dropout=0.0, **kwargs):
    torch.manual_seed(0)
    student = toy_segmentor_config(dropout=dropout)
    config = dict(type='dts.SelfTraining', student=student, threshold=THRESHOLD, **kwargs)
    return MODELS.build(config).train()


def with_teacher(method):
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher']))
    with torch.no_grad():
        method.teachers['teacher'].segmentor.decode_head.conv_seg.weight.normal_()
    return method


def forward(network, images):
    return network.decode_head(network.extract_feat(images))


class DoublePreprocessor(nn.Module):
    """The preprocessor of a method, in double precision."""

    def __init__(self, wrapped):
        super().__init__()
        self.wrapped = wrapped

    def forward(self, data, training=False):
        data = self.wrapped(data, training)
        data['inputs'] = {name: images.double() for name, images in data['inputs'].items()}
        return data


def pasted_by_hand(y):
    """Where half of the classes of every image, rounded up, are pasted."""
    draws = torch.rand(len(y), 3)
    mask = torch.zeros(y.shape, dtype=torch.bool)
    for b in range(len(y)):
        present = sorted(set(y[b].flatten().tolist()) - {255})
        by_draw = sorted(present, key=lambda k, b=b: float(draws[b, k]))
        for k in by_draw[: (len(present) + 1) // 2]:
            mask[b][y[b] == k] = True
    return mask


def dacs_loss(student, teacher, data):
    x_s, x_t = data['inputs']['source'], data['inputs']['target']
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    with torch.no_grad():
        c, label = forward(teacher, x_t).softmax(1).max(1)
    q = (c >= THRESHOLD).sum() / c.numel()
    mask = pasted_by_hand(y)
    mixed, target, weight = x_t.clone(), label.clone(), torch.full(y.shape, float(q)).double()
    for b, row, column in mask.nonzero().tolist():
        mixed[b, :, row, column] = x_s[b, :, row, column]
        target[b, row, column] = y[b, row, column]
        weight[b, row, column] = 1.0
    loss_source = F.cross_entropy(forward(student, x_s), y)
    loss_map = F.cross_entropy(forward(student, mixed), target, reduction='none')
    return loss_source + (weight * loss_map).sum() / loss_map.numel(), float(q)


@pytest.mark.slow
@pytest.mark.parametrize('first_count', [0, 1])
def test_twenty_steps_of_dacs_equal_the_loop(first_count):
    method = build(dropout=0.3).double()
    method.data_preprocessor = DoublePreprocessor(method.data_preprocessor)
    hook = EmaTeacherHook(decay=DECAY, first_count=first_count)
    wrapper = OptimWrapper(torch.optim.SGD(method.parameters(), lr=0.3))
    hub = MessageHub.get_instance(f'dacs{first_count}')
    runner = SimpleNamespace(model=method, optim_wrapper=wrapper, message_hub=hub)
    hook.before_train(runner)

    student = copy.deepcopy(method.student)
    teacher = copy.deepcopy(method.student).eval()
    shares = []
    for t in range(STEPS):
        batch = uda_batch(seed=t)
        data = method.data_preprocessor(copy.deepcopy(batch), training=True)
        torch.manual_seed(t)
        loss, share = dacs_loss(student, teacher, data)
        shares.append(share)
        weights = list(student.parameters())
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(0.3 * gradient)
            # DACS copies the student after the first step; the DAFormer line averages at once
            a = min(1 - 1 / (t + 1 + first_count), DECAY)
            for old, new in zip(teacher.parameters(), weights, strict=True):
                old.copy_(a * old + (1 - a) * new)
            for old, new in zip(teacher.buffers(), student.buffers(), strict=True):
                old.copy_(new)
        torch.manual_seed(t)
        logged = method.train_step(batch, wrapper)
        hook.move(runner)
        torch.testing.assert_close(logged['loss'], loss.detach(), rtol=1e-9, atol=1e-9)
        for ours, expected in (
            (method.student, student),
            (hook.bank['teacher'].segmentor, teacher),
        ):
            torch.testing.assert_close(
                ours.state_dict(), expected.state_dict(), rtol=1e-9, atol=1e-9
            )
    assert sum(0.02 < share < 0.98 for share in shares) >= 3


def losses_of(method, batch=None):
    data = method.data_preprocessor(batch or uda_batch(), training=True)
    torch.manual_seed(3)
    return data, method(**data, mode='loss')


def test_unsure_target_pixels_weigh_nothing_and_margins_never_do():
    method = with_teacher(build())
    method.threshold = 0.0
    _, sure = losses_of(method)
    batch = uda_batch()
    for sample in batch['data_samples']['target']:
        sample.margin_map = PixelData(data=torch.ones(1, SIZE, SIZE, dtype=torch.uint8))
    _, margins = losses_of(method, batch)
    method.threshold = 1.0
    _, unsure = losses_of(method)
    torch.testing.assert_close(margins['mix.decode.loss_ce'], unsure['mix.decode.loss_ce'])
    assert margins['mix.decode.loss_ce'] < sure['mix.decode.loss_ce']


def test_source_and_target_shares_are_logged():
    method = with_teacher(build())
    data, losses = losses_of(method)
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    torch.manual_seed(3)
    expected = 1 - pasted_by_hand(y).float().mean()
    torch.testing.assert_close(losses['stat_target_share'], expected)


def test_masked_consistency_scores_masked_images_with_labels_of_whole_ones():
    masking = dict(block_size=4, ratio=0.5, weight=0.6, color=False)
    method = with_teacher(build(masking=masking))
    data, losses = losses_of(method)
    x_t, teacher = data['inputs']['target'], method.teachers['teacher'].segmentor
    c, label = forward(teacher, x_t).softmax(1).max(1)
    q = (c >= THRESHOLD).float().mean()
    torch.manual_seed(3)
    torch.rand(2, 3)  # the classes that are pasted
    masked = x_t * block_masks(x_t, 4, 0.5)
    expected = 0.6 * q * F.cross_entropy(forward(method.student, masked), label)
    torch.testing.assert_close(losses['masked.decode.loss_ce'], expected)


def test_colors_of_masked_images_change_on_request_whichever_are_masked():
    for images in ('target', 'separate'):
        masked = {}
        for color in (False, True):
            masking = dict(block_size=4, ratio=0.0, color=color, images=images)
            augmentation = dict(type='dts.ColorAugmentation', jitter_probability=1.0)
            method = with_teacher(build(masking=masking, color=augmentation))
            method.observers.append(lambda shown, key=color, kept=masked: kept.update({key: shown}))
            method.learn_more(
                method.student,
                views := method.read(**method.data_preprocessor(uda_batch(), training=True)),
                [Opinion(PseudoLabels(views.labels, torch.ones(2, SIZE, SIZE)))],
            )
        first = views.target[:1] if images == 'target' else views.source[:1]
        assert torch.equal(masked[False]['masked'][:1], first)
        assert len(masked[True]['masked']) == 2
        changes = (masked[True]['masked'] - masked[False]['masked']).abs().flatten(1).amax(1)
        assert (changes > 0.01).all()


def test_source_and_target_of_other_numbers_or_sizes_are_refused():
    method = with_teacher(build())
    data = method.data_preprocessor(uda_batch(), training=True)
    inputs, samples = data['inputs'], data['data_samples']
    for target in (inputs['target'][:1], inputs['target'][..., :8]):
        with pytest.raises(ValueError, match=r'source is \(2, 3, 16, 16\) .*sampler.batch'):
            method.read({**inputs, 'target': target}, samples)


def test_a_draw_of_classes_beside_a_mix_is_refused():
    with pytest.raises(ValueError, match="class_draw='batch' has no meaning beside mix"):
        build(mix=dict(type='dts.HalfCutMix'), class_draw='batch')


def test_classes_that_the_student_does_not_score_have_no_feature_distance():
    with pytest.raises(ValueError, match=r'classes names \[3\], the student scores .* 0 to 2'):
        build(feature_distance=dict(classes=[1, 3]))


def test_unknown_images_to_mask_are_named():
    with pytest.raises(ValueError, match=r"masking.images must be one of .*, got 'source'"):
        build(masking=dict(images='source'))


def test_feature_distance_needs_and_uses_the_reference():
    method = with_teacher(build(feature_distance=dict(classes=[0, 1, 2], weight=2.0, min_share=0)))
    with pytest.raises(RuntimeError, match='ReferenceEncoderHook'):
        losses_of(method)
    reference = copy.deepcopy(method.student.backbone)
    object.__setattr__(method, 'reference', reference)
    assert losses_of(method)[1]['source.loss_distance'] < 1e-5
    with torch.no_grad():
        reference.conv.weight.add_(0.1)
    data, losses = losses_of(method)
    x_s = data['inputs']['source']
    gap = (method.student.backbone(x_s)[0] - reference(x_s)[0]).norm(dim=1)
    torch.testing.assert_close(losses['source.loss_distance'], 2.0 * gap.mean())
    assert not any('reference' in name for name in method.state_dict())


def test_color_changes_the_mixed_images_only():
    plain, colored = (
        with_teacher(build()),
        with_teacher(build(color=dict(type='dts.ColorAugmentation'))),
    )
    one, two = losses_of(plain)[1], losses_of(colored)[1]
    torch.testing.assert_close(one['source.decode.loss_ce'], two['source.decode.loss_ce'])
    assert one['mix.decode.loss_ce'] != two['mix.decode.loss_ce']


def test_labels_of_the_target_change_a_statistic_only():
    method, batch = with_teacher(build()), uda_batch()
    for target, source in zip(
        batch['data_samples']['target'], batch['data_samples']['source'], strict=True
    ):
        target.gt_sem_seg = source.gt_sem_seg.clone()
    _, known = losses_of(method, batch)
    known.pop('stat_pseudo_accuracy')
    torch.testing.assert_close(known, losses_of(method)[1])


def rectangle_losses(method, data):
    """Both terms of a step that pastes rectangles, from one forward of all images."""
    x_s, x_t = data['inputs']['source'], data['inputs']['target']
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    c, label = forward(method.teachers['teacher'].segmentor, x_t).softmax(1).max(1)
    q = (c >= THRESHOLD).float().mean()
    torch.manual_seed(3)
    inside = HalfCutMix()(y, 3).mask
    mixed = torch.where(inside[:, None], x_s, x_t)
    logits = forward(method.student, torch.cat([x_s, mixed]))
    loss_map = F.cross_entropy(logits[2:], torch.where(inside, y, label), reduction='none')
    loss_mixed = (torch.where(inside, 1.0, q) * loss_map).mean()
    return F.cross_entropy(logits[:2], y), loss_mixed, inside


def test_a_rectangle_of_the_source_in_one_forward_by_hand():
    method = with_teacher(build(mix=dict(type='dts.HalfCutMix'), one_forward=True))
    expected = copy.deepcopy(method.student)
    data, losses = losses_of(method)
    seen = method.student.state_dict()
    method.student = expected
    loss_source, loss_mixed, inside = rectangle_losses(method, data)
    torch.testing.assert_close(losses['source.decode.loss_ce'], loss_source)
    torch.testing.assert_close(losses['mix.decode.loss_ce'], loss_mixed)
    torch.testing.assert_close(losses['stat_target_share'], 1 - inside.float().mean())
    torch.testing.assert_close(seen, expected.state_dict())  # BatchNorm saw one batch, not two
    assert 0.4 < inside.float().mean() < 0.6


def test_two_forwards_are_two_batches_for_batch_norm():
    together, apart = (with_teacher(build(one_forward=one)) for one in (True, False))
    _, losses = losses_of(together)
    _, losses_apart = losses_of(apart)
    counted = [m.student.backbone.norm.num_batches_tracked.item() for m in (together, apart)]
    assert counted == [1, 2]
    assert losses['source.decode.loss_ce'] != losses_apart['source.decode.loss_ce']


@pytest.mark.parametrize('one_forward', [True, False])
def test_halves_are_learned_as_the_whole_step_does(one_forward):
    switches = dict(one_forward=one_forward, mix=dict(type='dts.HalfCutMix'))
    method = with_teacher(build(**switches))
    student = copy.deepcopy(method.student)
    data, losses = losses_of(method)
    views = method.read(**data)
    probs = method.teachers.probabilities(views.target)
    target = PseudoLabels(probs.argmax(1), probs.amax(1))
    torch.manual_seed(3)
    mixture = method.mix_source(student, views, target.labels)
    mixed = show_source(method.supervise(views, target, None), mixture)
    plain = Supervision(views.labels, torch.ones_like(mixed.weights))
    halves = [
        Half('source', views.source, [plain], is_source=True),
        Half('mix', mixture.images, [mixed]),
    ]
    torch.testing.assert_close(
        method.learn(student, halves),
        {name: term for name, term in losses.items() if not name.startswith('stat_')},
    )


def test_feature_distance_in_one_forward_is_that_of_source_images():
    switches = dict(feature_distance=dict(classes=[0, 1, 2], min_share=0), one_forward=True)
    method = with_teacher(build(**switches))
    reference = copy.deepcopy(method.student.backbone).eval()
    object.__setattr__(method, 'reference', reference)
    student = copy.deepcopy(method.student)
    data, losses = losses_of(method)
    views = method.read(**data)
    torch.manual_seed(3)
    mixture = method.mix_source(student, views, views.labels)
    features = student.backbone(torch.cat([views.source, mixture.images]))[0]
    gap = (features[:2] - reference(views.source)[0]).norm(dim=1)
    torch.testing.assert_close(losses['source.loss_distance'], 0.005 * gap.mean())
