"""Floors of Dual Teacher, corrected and as released."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from dts.methods.base import TeacherStudent
from dts.methods.faithful_dual_teacher import CONSISTENCY_WEIGHT
from dts.teachers.train_mode import TrainModeTeacher
from step_benchmark.floor_parts import (
    FloorStep,
    ReadyBatch,
    copy_optimizer,
    cross_entropy,
    head_logits,
    main_logits,
    split_heads,
    weighted,
)


def dual_teacher(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward of one teacher, two student forwards (mixed images, consistency), EMA.

    Without consistency there is one student forward. Strong views stand for mixed ones. Of
    sub-networks only ``stage_skip`` is drawn, as it alone makes a step cheaper.
    """
    student = copy.deepcopy(method.student).train()
    teacher = copy.deepcopy(method.student).eval().requires_grad_(False)
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight
    weights_teacher = list(teacher.parameters())
    weights_student = [weight.detach() for weight in student.parameters()]
    is_cheaper = method.sub_network.kind == 'stage_skip'

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        with torch.no_grad():
            logits_teacher = main_logits(teacher, batch.images['unlabeled_weak'])
            confidence, target = logits_teacher.softmax(dim=1).max(dim=1)
            trust = (confidence >= method.threshold).float()
            share = trust.mean(dim=(1, 2), keepdim=True)
        strong = batch.images['unlabeled_strong']
        scores = head_logits(student, torch.cat([batch.images['labeled'], strong]))
        heads = split_heads(scores, len(batch.labels))
        loss = weighted(heads[0][2], target, share, class_weight)
        for weight, logits, _ in heads:
            loss = loss + weight * cross_entropy(logits, batch.labels, class_weight)
        if method.consistency_weight:
            with method.sub_network.drawn(student) if is_cheaper else nullcontext():
                logits_sub = main_logits(student, strong)
            consistency = weighted(logits_sub, target, trust, class_weight)
            loss = loss + method.consistency_weight * consistency
        loss.backward()
        own_optimizer.step()
        torch._foreach_lerp_(weights_teacher, weights_student, 0.01)
        return loss.detach()

    return step


def faithful_dual_teacher(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Two forwards of one teacher in train mode, two student forwards, EMA of the weights.

    The loss is that of a CutMix turn; strong views stand for mixed ones, whose colours and
    flips are no part of the floor.
    """
    student = copy.deepcopy(method.student).train()
    teacher = TrainModeTeacher(method.student).segmentor
    for module in teacher.modules():  # the lock is on the teacher around it
        module.training = True
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight
    weights_teacher = list(teacher.parameters())
    weights_student = [weight.detach() for weight in student.parameters()]

    def ask(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            confidence, target = main_logits(teacher, images).softmax(dim=1).max(dim=1)
            return target, (confidence >= method.threshold).float()

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        target, trust = ask(batch.images['unlabeled_weak'])
        strong = batch.images['unlabeled_strong']
        scores = head_logits(student, torch.cat([batch.images['labeled'], strong]))
        heads = split_heads(scores, len(batch.labels))
        losses = F.cross_entropy(heads[0][2], target, reduction='none')
        share = trust.mean(dim=(1, 2), keepdim=True)
        loss = (losses * share).sum() / (losses > 0).sum().clamp_min(1)
        for weight, logits, _ in heads:
            loss = loss + weight * cross_entropy(logits, batch.labels, class_weight)
        target, trust = ask(batch.images['unlabeled_weak'])
        consistency = weighted(main_logits(student, strong), target, trust, None)
        loss = loss + CONSISTENCY_WEIGHT * consistency
        loss.backward()
        own_optimizer.step()
        torch._foreach_lerp_(weights_teacher, weights_student, 0.01)
        return loss.detach()

    return step
