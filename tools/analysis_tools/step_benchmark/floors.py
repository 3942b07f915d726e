"""The least that a method's algorithm can do with a batch, in bare PyTorch.

Only forwards, backwards, the optimizer step and the motion of the teacher: no hooks, no statistics,
no preprocessing, no mixing. To add a floor for a method, write a function like ``mean_teacher`` and
name it in ``FLOORS`` under the method's class name.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from dts.methods.base import TeacherStudent, stack_labels
from step_benchmark.distillation_floor import (
    cross_pseudo_supervision,
    distillation,
    label_assisted_teacher,
)
from step_benchmark.dual_teacher_floor import dual_teacher, faithful_dual_teacher
from step_benchmark.dual_teacher_student_floor import dual_teacher_student
from step_benchmark.floor_parts import (
    FloorBuilder,
    FloorStep,
    ReadyBatch,
    copy_optimizer,
    cross_entropy,
    head_logits,
    main_logits,
    score,
    split_heads,
    weighted,
)
from step_benchmark.self_training_floor import self_training


def build_floor(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Return the floor of a method, on a student and a teacher of its own.

    Args:
        method: the method, its student on its device and in its memory format.
        optimizer: the optimizer of the run; the floor gets one like it.

    Returns:
        A function that trains on one batch and returns the loss.

    Raises:
        ValueError: if there is no floor for the method.
    """
    name = type(method).__name__
    if name not in FLOORS:
        raise ValueError(
            f'no floor for the method {name}, only for {sorted(FLOORS)}: write a function like '
            f'mean_teacher in {__file__} that does the forwards, the backward, the optimizer step '
            'and the motion of the teachers that the algorithm cannot do without, and name it in '
            'FLOORS'
        )
    if isinstance(method.student.decode_head, nn.ModuleList):
        raise ValueError('the floors know segmentors with one decode head, this one is a cascade')
    return FLOORS[name](method, optimizer)


def prepare(method: TeacherStudent, batch: dict) -> ReadyBatch:
    """Preprocess a batch as the method does, once.

    Args:
        method: the method.
        batch: what the data loader gives.

    Returns:
        The batch on the method's device, images in the memory format of the weights.
    """
    data = method.data_preprocessor(batch, True)
    images = {
        name: image.contiguous(memory_format=torch.channels_last)
        for name, image in data['inputs'].items()
    }
    samples = data['data_samples']
    return ReadyBatch(images, stack_labels(samples.get('labeled') or samples['source']))


def supervised(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward of the labelled images, cross entropy, backward, optimizer step."""
    student = copy.deepcopy(method.student).train()
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        loss = torch.zeros((), device=batch.labels.device)
        for weight, logits in head_logits(student, batch.images['labeled']):
            loss = loss + weight * cross_entropy(logits, batch.labels, class_weight)
        loss.backward()
        own_optimizer.step()
        return loss.detach()

    return step


def mean_teacher(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Teacher forward of the weak view, one student forward of all images, EMA of the weights."""
    student = copy.deepcopy(method.student).train()
    teacher = copy.deepcopy(method.student).eval().requires_grad_(False)
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight
    weights_teacher = list(teacher.parameters())
    weights_student = [weight.detach() for weight in student.parameters()]

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        with torch.no_grad():
            logits_teacher = main_logits(teacher, batch.images['unlabeled_weak'])
            confidence, target = logits_teacher.softmax(dim=1).max(dim=1)
            trust = (confidence >= method.threshold).float()
        num_labeled = len(batch.labels)
        images = torch.cat([batch.images['labeled'], batch.images['unlabeled_strong']])
        heads = split_heads(head_logits(student, images), num_labeled)
        loss = method.unlabeled_weight * weighted(heads[0][2], target, trust, class_weight)
        for weight, logits, _ in heads:
            loss = loss + weight * cross_entropy(logits, batch.labels, class_weight)
        loss.backward()
        own_optimizer.step()
        torch._foreach_lerp_(weights_teacher, weights_student, 0.01)
        return loss.detach()

    return step


def unimatch(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward with a dropped copy of the features, forward of two strong views, no teacher."""
    student = copy.deepcopy(method.student).train()
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight
    unlabeled_class_weight = method.unlabeled_criterion.class_weight

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        weak, num_labeled = batch.images['unlabeled_weak'], len(batch.labels)
        images = torch.cat([batch.images['labeled'], weak])
        features = student.backbone(images)
        both = [
            torch.cat([feature, F.dropout2d(feature[num_labeled:], 0.5)]) for feature in features
        ]
        features = student.neck(both) if student.with_neck else both
        heads = split_heads(score(student, features, images), num_labeled)
        logits_weak, logits_dropped = heads[0][2].split(len(weak))
        with torch.no_grad():
            confidence, target = logits_weak.softmax(dim=1).max(dim=1)
            trust = (confidence >= method.threshold).float()
        loss = 0.5 * weighted(logits_dropped, target, trust, unlabeled_class_weight)
        for weight, logits, _ in heads:
            loss = loss + weight * cross_entropy(logits, batch.labels, class_weight)
        strong = [batch.images['unlabeled_strong'], batch.images['unlabeled_strong_2']]
        for one in main_logits(student, torch.cat(strong)).chunk(2):
            loss = loss + 0.25 * weighted(one, target, trust, unlabeled_class_weight)
        loss.backward()
        own_optimizer.step()
        return loss.detach()

    return step


FLOORS: dict[str, FloorBuilder] = {
    'Supervised': supervised,
    'MeanTeacher': mean_teacher,
    'DualTeacher': dual_teacher,
    'FaithfulDualTeacher': faithful_dual_teacher,
    'UniMatch': unimatch,
    'SelfTraining': self_training,
    'DualTeacherStudent': dual_teacher_student,
    'CrossPseudoSupervision': cross_pseudo_supervision,
    'Distillation': distillation,
    'LabelAssistedTeacher': label_assisted_teacher,
}
