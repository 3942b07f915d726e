"""What the floors of ``benchmark_step.py`` have in common: batch, optimizer, scores and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from dts.methods.base import TeacherStudent

IGNORE_INDEX = 255


@dataclass(frozen=True)
class ReadyBatch:
    """Normalised images per branch (B, 3, H, W) and labels (B, H, W) int64 of the labelled one."""

    images: dict[str, Tensor]
    labels: Tensor


FloorStep = Callable[[ReadyBatch], Tensor]
FloorBuilder = Callable[[TeacherStudent, Optimizer], FloorStep]


def copy_optimizer(optimizer: Optimizer, source: nn.Module, target: nn.Module) -> Optimizer:
    """Return a new optimizer of the same class and settings for a copy of a network.

    Groups with equal settings become one, as anyone would write them by hand.

    Args:
        optimizer: of ``source``.
        source: the network.
        target: its copy.

    Returns:
        The optimizer of ``target``.
    """
    names = {id(parameter): name for name, parameter in source.named_parameters()}
    parameters = dict(target.named_parameters())
    groups: dict[str, dict] = {}
    for group in optimizer.param_groups:
        settings = {key: value for key, value in group.items() if key != 'params'}
        merged = groups.setdefault(repr(sorted(settings.items())), {**settings, 'params': []})
        merged['params'] += [parameters[names[id(parameter)]] for parameter in group['params']]
    optimizer_class: Any = type(optimizer)
    return optimizer_class(list(groups.values()))


def head_logits(segmentor: Any, images: Tensor) -> list[tuple[float, Tensor]]:
    """Return loss weight and upsampled scores of the heads, the one that predicts first."""
    return score(segmentor, segmentor.extract_feat(images), images)


def main_logits(segmentor: Any, images: Tensor) -> Tensor:
    """Return upsampled scores of the head that predicts; no other head is asked."""
    head = segmentor.decode_head
    return _upsample(head, head(segmentor.extract_feat(images)), images)


def score(segmentor: Any, features: Any, images: Tensor) -> list[tuple[float, Tensor]]:
    """Return loss weight and upsampled scores of the heads for given features."""
    heads = [segmentor.decode_head]
    if segmentor.training and segmentor.with_auxiliary_head:
        auxiliary = segmentor.auxiliary_head
        heads += list(auxiliary) if isinstance(auxiliary, nn.ModuleList) else [auxiliary]
    scored = []
    for head in heads:
        logits = _upsample(head, head(features), images)
        scored.append((float(getattr(head.loss_decode, 'loss_weight', 1.0)), logits))
    return scored


def split_heads(
    heads: list[tuple[float, Tensor]], num_labeled: int
) -> list[tuple[float, Tensor, Tensor]]:
    """Return loss weight, scores of the labelled images and scores of all others, per head."""
    return [
        (weight, *logits.split([num_labeled, len(logits) - num_labeled]))
        for weight, logits in heads
    ]


def _upsample(head: Any, logits: Tensor, images: Tensor) -> Tensor:
    """Bring scores to the size of the images."""
    return F.interpolate(
        logits, images.shape[-2:], mode='bilinear', align_corners=head.align_corners
    )


def weighted(logits: Tensor, target: Tensor, weight: Tensor, class_weight: Tensor | None) -> Tensor:
    """Mean over all pixels, each with its weight (U, H, W) or (U, 1, 1)."""
    loss = F.cross_entropy(logits, target, weight=class_weight, reduction='none')
    if class_weight is None:
        return (loss * weight).sum() / target.numel()
    # index_select: indexing with a map takes four times as long on the CPU
    return (loss * weight).sum() / class_weight.index_select(0, target.flatten()).sum()


def cross_entropy(logits: Tensor, labels: Tensor, class_weight: Tensor | None) -> Tensor:
    """Mean over the labelled pixels."""
    return F.cross_entropy(logits, labels, weight=class_weight, ignore_index=IGNORE_INDEX)
