"""The released step against a loop that is written from its description, over three shifts."""

import colorsys
import copy
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import nn

from dts.hooks.ema_teacher import EmaTeacherHook
from dts.hooks.switching_teachers import SwitchingTeachersHook
from dts.registry import MODELS
from toys import toy_batch, toy_segmentor_config

STEPS, SHIFT, THRESHOLD, DECAY, LAMBDA = 30, 12, 0.4, 0.8, 0.2
SIZE = 16


class DoublePreprocessor(nn.Module):
    """The preprocessor of a method, in double precision."""

    def __init__(self, wrapped):
        super().__init__()
        self.wrapped = wrapped

    def forward(self, data, training=False):
        data = self.wrapped(data, training)
        data['inputs'] = {name: images.double() for name, images in data['inputs'].items()}
        return data


def build(num_classes=3):
    torch.manual_seed(0)
    config = dict(type='dts.FaithfulDualTeacher', threshold=THRESHOLD)
    method = (
        MODELS.build(dict(config, student=toy_segmentor_config(num_classes, dropout=0.3)))
        .double()
        .train()
    )
    method.data_preprocessor = DoublePreprocessor(method.data_preprocessor)
    hook = SwitchingTeachersHook(shift=SHIFT, decay=DECAY, teacher_mode='train', buffers='own')
    wrapper = OptimWrapper(torch.optim.SGD(method.parameters(), lr=0.5, momentum=0.9))
    runner = SimpleNamespace(
        model=method,
        optim_wrapper=wrapper,
        message_hub=MessageHub.get_instance('faithful'),
        logger=SimpleNamespace(info=lambda _: None),
    )
    hook.before_train(runner)
    return method, hook, runner


def forward(network, images):
    return network.decode_head(network.extract_feat(images))


def cutmix_masks(label):
    """Return where the partner is shown, pixel by pixel, and the partners."""
    size, height, width = label.shape
    lam = torch.rand(7).sort().values[3]  # Beta(4, 4)
    half = (1 - lam).sqrt() * SIZE / 2
    center = (torch.rand(2, size) * 0.875 + 0.125) * SIZE
    mask = torch.zeros(label.shape, dtype=torch.bool)
    for b in range(size):
        for row in range(height):
            for column in range(width):
                offsets = row + 0.5 - center[0, b], column + 0.5 - center[1, b]
                mask[b, row, column] = all(-half <= offset < half for offset in offsets)
    return mask, torch.rand(size).argsort()


def classmix_masks(label):
    """Return where the partner is shown: all but half of the classes of each image."""
    draws = torch.rand(len(label), 3)
    mask = torch.zeros(label.shape, dtype=torch.bool)
    for b in range(len(label)):
        present = sorted(set(label[b].flatten().tolist()) - {255})
        by_draw = sorted(present, key=lambda k, b=b: float(draws[b, k]))
        for k in [*by_draw[len(present) // 2 :], 255]:
            mask[b][label[b] == k] = True
    return mask, torch.tensor([1, 0]) if len(label) == 2 else torch.rand(len(label)).argsort()


def mixed_by(mask, partner, values):
    return torch.stack(
        [
            torch.where(
                mask[b] if values.ndim == 3 else mask[b][None], values[partner[b]], values[b]
            )
            for b in range(len(values))
        ]
    )


def recolored(images):
    """Jitter in 80 % and blur in 50 % of the draws, image by image and pixel by pixel."""
    draws = torch.rand(7, len(images), 1, 1, 1, dtype=images.dtype).flatten(1)
    return torch.stack([recolored_one(*pair) for pair in zip(images, draws.T, strict=True)])


def recolored_one(image, draws):
    """Return an image, normalised by 127.5 and 127.5, after jitter and blur by seven uniforms."""
    pixels = ((image + 1) / 2).clamp(0, 1).permute(1, 2, 0)  # (H, W, 3) in [0, 1]
    brightness, contrast, saturation = (0.75 + 0.5 * float(draw) for draw in draws[:3])
    if draws[4] < 0.8:
        grey = pixels.new_tensor([0.299, 0.587, 0.114])
        pixels = (brightness * pixels).clamp(0, 1)
        pixels = (contrast * pixels + (1 - contrast) * (pixels @ grey).mean()).clamp(0, 1)
        pixels = (saturation * pixels + (1 - saturation) * (pixels @ grey)[..., None]).clamp(0, 1)
        for row in pixels:
            for pixel in row:
                hue, *rest = colorsys.rgb_to_hsv(*pixel.tolist())
                hue += 0.5 * float(draws[3]) - 0.25
                pixel[:] = pixel.new_tensor(colorsys.hsv_to_rgb(hue % 1, *rest))
    if draws[6] < 0.5:
        sigma = 0.15 + float(draws[5])
        kernel = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-5, 6)]
        around = F.pad(pixels.permute(2, 0, 1), (5, 5, 5, 5), mode='reflect').permute(1, 2, 0)
        pixels = (
            sum(
                kernel[i] * kernel[j] * around[i : i + SIZE, j : j + SIZE]
                for i in range(11)
                for j in range(11)
            )
            / sum(kernel) ** 2
        )
    return pixels.permute(2, 0, 1) * 2 - 1


def valid_of(samples):
    """Return where images are, pixel by pixel."""
    valid = torch.zeros(len(samples), SIZE, SIZE, dtype=torch.bool)
    for b, sample in enumerate(samples):
        height, width = sample.img_shape
        valid[b, :height, :width] = True
    return valid


def loss_of_step(student, teacher, data, is_cutmix):
    """Return L_sup + L_mix + 0.2 L_ic as the release computes them."""
    x = data['inputs']['labeled']
    valid = valid_of(data['data_samples']['unlabeled_weak'])
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    u, u_s = data['inputs']['unlabeled_weak'], data['inputs']['unlabeled_strong']
    with torch.no_grad():
        c, label = forward(teacher, u).softmax(1).max(1)
    label = torch.where(valid, label, 255)
    mask, partner = (cutmix_masks if is_cutmix else classmix_masks)(label)
    mixed, mixed_label = (mixed_by(mask, partner, v) for v in (u if is_cutmix else u_s, label))
    if is_cutmix:
        mixed = recolored(mixed)
        for b in (torch.rand(len(u)) < 0.5).nonzero().flatten().tolist():
            mixed[b], mixed_label[b] = mixed[b].flip(2), mixed_label[b].flip(1)
    logits = forward(student, torch.cat([x, mixed]))
    ce = F.cross_entropy(logits[len(x) :], mixed_label, ignore_index=255, reduction='none')
    if is_cutmix:
        w = [(c[b][valid[b]] >= THRESHOLD).sum() / valid[b].sum() for b in range(len(u))]
        loss_mix = torch.cat([w[b] * ce[b][ce[b] > 0] for b in range(len(u))]).mean()
    else:
        mixed_c = mixed_by(mask, partner, c)
        loss_mix = ((mixed_c >= THRESHOLD).sum() / mixed_c.numel() * ce).mean()
    with torch.no_grad():
        c, label = forward(teacher, u).softmax(1).max(1)
    ce = F.cross_entropy(forward(student, u_s), label, reduction='none')
    loss_consistency = (ce * (c >= THRESHOLD) * valid).sum() / valid.sum()
    return F.cross_entropy(logits[: len(x)], y) + loss_mix + LAMBDA * loss_consistency


def reference(network, batches):
    """Yield loss, student and teachers after every step; nothing comes from the package."""
    student = copy.deepcopy(network).train()
    teachers = [copy.deepcopy(network).train() for _ in range(2)]
    momentum = [torch.zeros_like(p) for p in student.parameters()]
    for t, data in enumerate(batches):
        epoch, i = divmod(t, SHIFT)
        teacher = teachers[epoch % 2]
        torch.manual_seed(1000 + t)
        loss = loss_of_step(student, teacher, data, is_cutmix=epoch % 2 == 0)
        weights = list(student.parameters())
        with torch.no_grad():
            for weight, gradient, velocity in zip(
                weights, torch.autograd.grad(loss, weights), momentum, strict=True
            ):
                velocity.mul_(0.9).add_(gradient)
                weight.sub_(0.5 * velocity)
            a = min(1 - 1 / (i + 1), DECAY)
            for old, new in zip(teacher.parameters(), weights, strict=True):
                old.copy_(a * old + (1 - a) * new)
        yield loss.detach(), student, teachers


def pad_first(batch, rows=10):
    """Cut rows off the first unlabelled image; the preprocessor pads it back."""
    for branch in ('unlabeled_weak', 'unlabeled_strong'):
        batch['inputs'][branch][0] = batch['inputs'][branch][0][:, :rows]


@pytest.mark.slow
@pytest.mark.parametrize('num_unlabeled', [2, 3])  # 3: one of them with padding
def test_thirty_steps_over_three_shifts_equal_the_loop(num_unlabeled):
    method, hook, runner = build()
    batches = [
        toy_batch(num_unlabeled=num_unlabeled, size=(SIZE, SIZE), seed=t) for t in range(STEPS)
    ]
    if num_unlabeled == 3:
        for batch in batches:
            pad_first(batch)
    prepared = [method.data_preprocessor(copy.deepcopy(batch), training=True) for batch in batches]
    ratios = []
    for t, (loss, student, teachers) in enumerate(reference(method.student, prepared)):
        torch.manual_seed(1000 + t)
        logged = method.train_step(batches[t], runner.optim_wrapper)
        hook.move(runner)
        ratios.append(float(logged['stat_accepted_ratio']))
        torch.testing.assert_close(logged['loss'], loss, rtol=1e-9, atol=1e-9)
        pairs = [(method.student, student)] + [
            (hook.bank[f'teacher.{k}'].segmentor, teachers[k]) for k in range(2)
        ]
        for ours, expected in pairs:
            torch.testing.assert_close(
                ours.state_dict(), expected.state_dict(), rtol=1e-9, atol=1e-9
            )
    partly_sure = [t // SHIFT % 2 for t, ratio in enumerate(ratios) if 0.02 < ratio < 0.98]
    assert min(partly_sure.count(turn) for turn in (0, 1)) >= 1  # weights are really at work


@pytest.mark.parametrize('active', [0, 1])
def test_unsure_teachers_teach_nothing_and_sure_ones_everything_also_with_padding(active):
    method, hook, _ = build()
    hook.bank.active = f'teacher.{active}'
    batch = toy_batch(size=(SIZE, SIZE))
    pad_first(batch, rows=5)
    data = method.data_preprocessor(batch, training=True)
    seen = []
    method.observers.append(seen.append)
    for threshold, low, high in ((1.1, 0, 0), (0.4, 0.01, 0.99), (1e-6, 1, 1)):
        method.threshold = threshold
        for seed in range(5):
            torch.manual_seed(seed)
            losses = method(**copy.deepcopy(data), mode='loss')
            weights = seen[-1]['mixed_weight']
            assert low <= weights.min() <= weights.max() <= high
            terms = [losses['mix.loss_ce'], losses['consistency.loss_ce']]
            assert all((term > 0) == (high > 0) for term in terms)


@pytest.mark.parametrize(
    ('hook', 'kind'),
    [
        (SwitchingTeachersHook(shift=SHIFT), "'teacher.0' is a Teacher"),
        (EmaTeacherHook(), "'teacher' is a Teacher"),
        (EmaTeacherHook(batch_statistics=True), "'teacher' is a BatchStatisticsTeacher"),
    ],
)
def test_teachers_in_another_mode_are_refused_before_the_first_step(hook, kind):
    _, _, runner = build()
    with pytest.raises(ValueError, match=rf"{kind}: set .* teacher_mode='train'"):
        hook.before_train(runner)


@pytest.mark.parametrize('num_classes', [2, 150])
@pytest.mark.parametrize('active', [0, 1])
def test_any_number_of_classes_learns(num_classes, active):
    method, hook, _ = build(num_classes)
    hook.bank.active = f'teacher.{active}'
    method.threshold = 0.0
    batch = toy_batch(size=(SIZE, SIZE), num_classes=num_classes)
    losses = method(**method.data_preprocessor(batch, training=True), mode='loss')
    method.parse_losses(losses)[0].backward()
    gradient = method.student.decode_head.conv_seg.weight.grad
    assert gradient.isfinite().all()
    assert (gradient != 0).any(1).all()
