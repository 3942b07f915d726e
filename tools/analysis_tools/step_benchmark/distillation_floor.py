"""Floors of distillation, of the label-assisted teacher, and of students that teach each other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from dts.distill.adapters import ResizeAdapter
from dts.distill.losses.channel_wise import ChannelWiseKD
from dts.distill.losses.dist import DIST
from dts.distill.losses.logit import LogitKD
from dts.distill.taps import Tap
from dts.distill.terms import DistillTerm
from dts.methods.base import TeacherStudent
from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder
from dts.teachers.frozen import FrozenTeacher
from step_benchmark.floor_parts import (
    IGNORE_INDEX,
    FloorStep,
    ReadyBatch,
    copy_optimizer,
    cross_entropy,
    head_logits,
)

FAR = -1e4  # a score that softmax makes 0 of; its differences stay finite

TINY = 1e-8  # a distribution without contrast has a finite correlation

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]  # of student, teacher, valid positions


@dataclass(frozen=True)
class PlainTerm:
    """What a floor keeps of a term; the adapter has no weights."""

    distance: Distance
    weight: float
    adapter: ResizeAdapter | None
    teacher_name: str | None


def distillation(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward of every teacher that is asked, one student forward, cross entropy and divergences.

    Teachers never move, so the floor asks those of the method. A code of labels is no part of a
    floor, as mixing is not: a label-assisted teacher sees zeros in its place.

    Raises:
        ValueError: for other terms than KL divergences or correlations of the scores of the main
            heads.
    """
    terms = [_plain_term(index, term) for index, term in method.terms.items()]
    names = [term.teacher_name or method.teachers.active for term in terms]
    teachers = {name: method.teachers[name] for name in names}
    student = copy.deepcopy(method.student).train()
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight
    small = _keep_scores(student)

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        images, labels = batch.images['labeled'], batch.labels
        with torch.no_grad():
            answers = {name: _ask(teacher, images) for name, teacher in teachers.items()}
        loss = torch.zeros((), device=labels.device)
        for weight, logits in head_logits(student, images):
            loss = loss + weight * cross_entropy(logits, labels, class_weight)
        scores = small.pop()
        for term, name in zip(terms, names, strict=True):
            ours, theirs = scores, answers[name]
            if term.adapter is not None:
                ours, theirs = term.adapter(ours, theirs)
            valid = _valid(labels, ours)
            loss = loss + term.weight * term.distance(ours, theirs, valid)
        loss.backward()
        own_optimizer.step()
        return loss.detach()

    return step


def label_assisted_teacher(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward of both paths, their cross entropies and the divergence of each from the other.

    Both paths see zeros in place of a code, which is no part of a floor, as mixing is not.

    Raises:
        ValueError: if the consistency is another than ``dts.ChannelWiseKD`` without groups,
            ``dts.LogitKD`` or ``dts.DIST``.
    """
    distance = _plain_loss(method.consistency, 'consistency')
    student = copy.deepcopy(method.student).train()
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight
    small = _keep_scores(student)

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        images, labels = student.with_zeros(batch.images['labeled']), batch.labels
        if method.paths == 'sequential':
            runs, twice = [head_logits(student, images) for _ in range(2)], labels
            first, second = small
        else:
            runs, twice = [head_logits(student, torch.cat([images] * 2))], torch.cat([labels] * 2)
            first, second = small[0].chunk(2)
        small.clear()
        share = 2 / len(runs)  # paths are summed; one batch of both has their mean
        loss = torch.zeros((), device=labels.device)
        for heads in runs:
            for weight, logits in heads:
                loss = loss + share * weight * cross_entropy(logits, twice, class_weight)
        valid = _valid(labels, first)
        for ours, theirs in ((first, second.detach()), (second, first.detach())):
            loss = loss + method.consistency_weight * distance(ours, theirs, valid)
        loss.backward()
        own_optimizer.step()
        return loss.detach()

    return step


def cross_pseudo_supervision(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward of both students on all images, and with mixing one more of the unmixed ones.

    Unlabelled images stand for mixed ones: mixing is no part of a floor.
    """
    given = nn.ModuleDict(method.students)
    students = copy.deepcopy(given).train()
    own_optimizer = copy_optimizer(optimizer, given, students)
    class_weight = method.criterion.class_weight

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        unlabeled, num_labeled = batch.images['unlabeled_weak'], len(batch.labels)
        start, scored = 0, []
        if method.mix is not None:
            start = num_labeled
            with torch.no_grad():
                scored = [head_logits(student, unlabeled)[0][1] for student in students.values()]
        images = torch.cat([batch.images['labeled'], unlabeled])
        heads = [head_logits(student, images) for student in students.values()]
        scored = scored or [of_one[0][1].detach() for of_one in heads]
        loss = torch.zeros((), device=images.device)
        for of_one, other in zip(heads, reversed(scored), strict=True):
            target = other.max(dim=1).indices
            cross = cross_entropy(of_one[0][1][start:], target, class_weight)
            loss = loss + method.cross_weight * cross
            for weight, logits in of_one:
                truth = cross_entropy(logits[:num_labeled], batch.labels, class_weight)
                loss = loss + weight * truth
        loss.backward()
        own_optimizer.step()
        return loss.detach()

    return step


def _plain_term(index: str, term: Any) -> PlainTerm:
    """Reduce a term to what a floor needs, or refuse it."""
    assert isinstance(term, DistillTerm)
    known = type(term.adapter) in (type(None), ResizeAdapter) and term.mask == 'nearest'
    if not known or term.is_scheduled or {term.student_tap, term.teacher_tap} != {Tap()}:
        raise ValueError(
            f'the floor of Distillation knows terms on {Tap()} of both networks with a constant '
            f"weight, mask='nearest' and no adapter but dts.ResizeAdapter; distill[{index}] is "
            f'another: set model.distill to one that it knows, such as '
            "[dict(loss=dict(type='dts.ChannelWiseKD'))]"
        )
    return PlainTerm(
        _plain_loss(term.loss, f'distill[{index}].loss'),
        weight=term.weight(0),
        adapter=term.adapter,
        teacher_name=term.teacher_name,
    )


def _plain_loss(loss: nn.Module, where: str) -> Distance:
    """Return the plainest form of a loss."""
    if isinstance(loss, LogitKD):
        return partial(kl_of_pixels, temperature=loss.temperature)
    if isinstance(loss, ChannelWiseKD) and loss.group_size == 1:
        return partial(kl_of_channels, temperature=loss.temperature)
    if isinstance(loss, DIST):
        return partial(
            correlation_distance,
            temperature=loss.temperature,
            inter_weight=loss.inter_weight,
            intra_weight=loss.intra_weight,
        )
    raise ValueError(
        f'the floors of distillation know dts.LogitKD, dts.DIST and dts.ChannelWiseKD with '
        f'group_size=1, {where} is {type(loss).__name__}'
        + (f' with group_size={loss.group_size}' if isinstance(loss, ChannelWiseKD) else '')
        + ': measure with one of them'
    )


def kl_of_pixels(student: Tensor, teacher: Tensor, valid: Tensor, temperature: float) -> Tensor:
    """Mean over valid positions of T^2 KL(teacher || student) of the class distributions."""
    ours, theirs = ((scores / temperature).log_softmax(dim=1) for scores in (student, teacher))
    divergence = F.kl_div(ours, theirs, reduction='none', log_target=True).sum(dim=1)
    return temperature**2 * (divergence * valid).sum() / valid.sum().clamp_min(1)


def kl_of_channels(student: Tensor, teacher: Tensor, valid: Tensor, temperature: float) -> Tensor:
    """Mean over images and channels of T^2 KL(teacher || student) of softmaxes over space."""
    ours, theirs = (
        (scores / temperature).masked_fill(~valid[:, None], FAR).flatten(2).log_softmax(dim=2)
        for scores in (student, teacher)
    )
    divergence = F.kl_div(ours, theirs, reduction='sum', log_target=True)
    num_images = valid.flatten(1).any(dim=1).sum().clamp_min(1)
    return temperature**2 * divergence / (num_images * student.shape[1])


def correlation_distance(
    student: Tensor,
    teacher: Tensor,
    valid: Tensor,
    temperature: float,
    inter_weight: float,
    intra_weight: float,
) -> Tensor:
    """T^2 times one minus Pearson's correlation of probabilities, per pixel and per class."""
    pixels, num_valid = valid[:, None], valid.sum().clamp_min(1)
    both = [(scores / temperature).softmax(dim=1) for scores in (student, teacher)]
    over_classes = _one_minus_cosine(*(probs - 1 / probs.shape[1] for probs in both), dim=(1,))
    means = [(probs * pixels).sum((0, 2, 3), keepdim=True) / num_valid for probs in both]
    centered = [(probs - mean) * pixels for probs, mean in zip(both, means, strict=True)]
    over_pixels = _one_minus_cosine(*centered, dim=(0, 2, 3))
    inter = (over_classes * valid).sum() / num_valid
    return temperature**2 * (inter_weight * inter + intra_weight * over_pixels.mean())


def _one_minus_cosine(first: Tensor, second: Tensor, dim: tuple[int, ...]) -> Tensor:
    """Return one minus the cosine of vectors along ``dim``, 0 where both are zero."""
    squares = (first.square().sum(dim) + TINY) * (second.square().sum(dim) + TINY)
    return 1 - ((first * second).sum(dim) + TINY) / squares.sqrt()


def _keep_scores(segmentor: Any) -> list[Tensor]:
    """Return a list that gets the scores of every forward before upsampling; empty it each step."""
    kept: list[Tensor] = []
    segmentor.decode_head.register_forward_hook(lambda _head, _inputs, scores: kept.append(scores))
    return kept


def _ask(teacher: FrozenTeacher, images: Tensor) -> Tensor:
    """Return a teacher's scores before upsampling."""
    segmentor: Any = teacher.segmentor
    images = FrozenTeacher.inputs(teacher, images)
    if isinstance(segmentor, LabelAssistedEncoderDecoder):
        images = segmentor.with_zeros(images)
    return segmentor.decode_head(segmentor.extract_feat(images))


def _valid(labels: Tensor, scores: Tensor) -> Tensor:
    """Return which positions of scores have a label, by the nearest one."""
    nearest = F.interpolate(labels[:, None].float(), scores.shape[-2:], mode='nearest-exact')
    return nearest[:, 0] != IGNORE_INDEX
