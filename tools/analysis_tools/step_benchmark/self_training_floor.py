"""Floor of self-training for domain adaptation: DACS, DAFormer, HRDA and MIC."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from dts.methods.base import TeacherStudent
from dts.segmentor import HeadLogits, OwnScores
from dts.teachers.train_mode import BatchStatisticsTeacher
from step_benchmark.floor_parts import (
    FloorStep,
    ReadyBatch,
    copy_optimizer,
    cross_entropy,
    head_logits,
    score,
    weighted,
)


def self_training(method: TeacherStudent, optimizer: Optimizer) -> FloorStep:
    """Forward of the teacher, student forwards of source and mixed images, EMA of the weights.

    With the switches of the method: one more forward of the frozen reference and the distance of
    all features, and a student forward of masked images. The target images stand for mixed and
    masked ones: like mixing, colours and masks are no part of a floor. A teacher that labels with
    the BatchNorm statistics of its batch does so here.
    """
    student = copy.deepcopy(method.student).train()
    teacher = copy.deepcopy(method.student).eval().requires_grad_(False)
    if isinstance(method.teachers[method.teachers.active], BatchStatisticsTeacher):
        teacher.train()
        for module in teacher.modules():
            module.training = module.training and isinstance(module, _BatchNorm)
    own_optimizer = copy_optimizer(optimizer, method.student, student)
    class_weight = method.criterion.class_weight
    weights_teacher = list(teacher.parameters())
    weights_student = [weight.detach() for weight in student.parameters()]

    def step(batch: ReadyBatch) -> Tensor:
        own_optimizer.zero_grad()
        images_source, images_target = batch.images['source'], batch.images['target']
        with torch.no_grad():
            confidence, target = _predict(teacher, images_target).softmax(dim=1).max(dim=1)
            share = (confidence >= method.threshold).float().mean().expand(target.shape)
        features, heads_source, heads_mixed = _answers(
            student, images_source, images_target, method.one_forward
        )
        loss = torch.zeros((), device=images_source.device)
        for head in heads_source:
            loss = loss + head.weight * cross_entropy(
                head.logits, head.crop(batch.labels), class_weight
            )
        if method.feature_distance is not None:
            with torch.no_grad():
                reference = _encode(student, images_source, method.reference)
            distance = (features - reference[-1]).norm(dim=1).mean()
            loss = loss + method.feature_distance.weight * distance
        terms = [(1.0, heads_mixed)]
        if method.masking is not None:
            seen = _encode(student, images_target, student.backbone)
            terms.append((method.masking.weight, _decode(student, seen, images_target)))
        for term_weight, heads in terms:
            for head in heads:
                loss = loss + term_weight * head.weight * weighted(
                    head.logits, head.crop(target), head.crop(share), class_weight
                )
        loss.backward()
        own_optimizer.step()
        torch._foreach_lerp_(weights_teacher, weights_student, 0.01)
        return loss.detach()

    return step


def _answers(
    segmentor: Any, images_source: Tensor, images_target: Tensor, one_forward: bool
) -> tuple[Tensor, list[HeadLogits], list[HeadLogits]]:
    """Return the last features and the scores of source images, and the scores of mixed ones."""
    if not one_forward:
        features = _encode(segmentor, images_source, segmentor.backbone)
        heads_source = _decode(segmentor, features, images_source)
        seen = _encode(segmentor, images_target, segmentor.backbone)
        return features[-1], heads_source, _decode(segmentor, seen, images_target)
    images, count = torch.cat([images_source, images_target]), len(images_source)
    features = _encode(segmentor, images, segmentor.backbone)
    parts = [
        [head._replace(logits=logits) for logits in head.logits.split(count)]
        for head in _decode(segmentor, features, images)
    ]
    return features[-1][:count], [part[0] for part in parts], [part[1] for part in parts]


def _predict(segmentor: Any, images: Tensor) -> Tensor:
    """Return the scores that predict; a network of several resolutions has its own way."""
    if isinstance(segmentor, OwnScores):
        return segmentor.decode_logits(images)
    return head_logits(segmentor, images)[0][1]


def _encode(segmentor: Any, images: Tensor, backbone: nn.Module) -> Sequence[Tensor]:
    """Return the features of a backbone for what the segmentor shows it."""
    if isinstance(segmentor, OwnScores):
        return segmentor.encode(images, backbone)
    features: Sequence[Tensor] = backbone(images)
    return features


def _decode(segmentor: Any, features: Sequence[Tensor], images: Tensor) -> list[HeadLogits]:
    """Return the scores of the heads that are trained, the one that predicts first."""
    if isinstance(segmentor, OwnScores):
        return segmentor.decode(features, images)
    necked = segmentor.neck(features) if segmentor.with_neck else features
    return [HeadLogits('', *scored) for scored in score(segmentor, necked, images)]
