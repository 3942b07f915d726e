"""Floor of DTS over a host without further switches (DACS)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dts.methods.base import TeacherStudent
from dts.methods.self_training import SelfTraining
from step_benchmark.floor_parts import (
    FloorStep,
    ReadyBatch,
    copy_optimizer,
    cross_entropy,
    head_logits,
    weighted,
)


def dual_teacher_student(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward of every teacher, a student forward per half and group, EMA of all weights.

    Target images stand for mixed ones: like colours, mixing is no part of a floor.

    Raises:
        ValueError: for another host, or a rule by which a group learns from two teachers.
    """
    host = method.host
    known = isinstance(host, SelfTraining)
    switches = (host.feature_distance, host.masking, host.one_forward) if known else (host,)
    if any(switches) or method.exchange in ('mean', 'both'):
        raise ValueError(
            'the floor of DualTeacherStudent knows the host dts.SelfTraining without '
            'feature_distance, masking and one_forward, and '
            "exchange 'cross', 'self' and the one-way rules"
        )
    given = nn.ModuleDict(method.students)
    students = copy.deepcopy(given).train()
    teachers = copy.deepcopy(given).eval().requires_grad_(False)
    own_optimizer = copy_optimizer(optimizer, given, students)
    class_weight = host.criterion.class_weight
    weights_teacher = list(teachers.parameters())
    weights_student = [weight.detach() for weight in students.parameters()]
    num_groups = len(students)

    def taught_by(group: int) -> int:
        fixed = {'self': group, 'one_way_1to2': 0, 'one_way_2to1': 1, 'cross': 1 - group}
        return fixed[method.exchange] if num_groups > 1 else group

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        images_source, images_target = batch.images['source'], batch.images['target']
        answers = []
        for teacher in teachers.values():
            with torch.no_grad():
                probabilities = head_logits(teacher, images_target)[0][1].softmax(dim=1)
                confidence, target = probabilities.max(dim=1)
                share = (confidence >= host.threshold).float().mean().expand(target.shape)
            answers.append((target, share))
        loss = torch.zeros((), device=images_source.device)
        for group, student in enumerate(students.values()):
            target, share = answers[taught_by(group)]
            for half in method.compositions[group]:
                if half in ('source', 'mix_source_source'):
                    for weight, logits in head_logits(student, images_source):
                        loss = loss + weight * cross_entropy(logits, batch.labels, class_weight)
                else:
                    for weight, logits in head_logits(student, images_target):
                        loss = loss + weight * weighted(logits, target, share, class_weight)
        loss.backward()
        own_optimizer.step()
        torch._foreach_lerp_(weights_teacher, weights_student, 0.01)
        return loss.detach()

    return step
