"""Soft Jaccard and Dice losses that accept soft targets: semimetrics on probabilities."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from dts.distill.losses.maps import check_temperature, masked_mean, prepare
from dts.distill.mask import labels_at
from dts.ranges import check_not_negative
from dts.registry import MODELS

Target = Literal['teacher', 'labels']
Counts = Literal['batch', 'image', 'class']
Classes = Literal['present', 'all']
# A class is present where its target exceeds this, as in zifuwanggg/JDTLosses.
PRESENT = 0.01


@MODELS.register_module()
class JaccardMetricLoss(nn.Module):
    """Jaccard metric loss (JML) between the student's probabilities and a target, soft or hard.

        L = mean over classes of 1 - (tp + e) / (tp + alpha fp + beta fn + e)
        tp = (|p| + |y| - |p - y|) / 2,   fp = |p| - tp,   fn = |y| - tp

    with L1 norms over valid pixels. alpha = beta = 1 is Jaccard, 0.5 Dice. Unlike the product form
    of soft IoU it is 0 at p = y for soft y too.

    Source: Wang et al., NeurIPS 2023 (arXiv 2302.05666, 2303.16296), zifuwanggg/JDTLosses: 0.75 on
    the main head beside a quarter of the cross entropy, e = 1; with a teacher, half of it each on
    labels (``classes='present'``) and teacher (``classes='all'``, T = 1): two entries of distill.
    Deviation: none.

    Args:
        target: y is the softmax of the ``teacher``, or one-hot ``labels`` at the size of the tap.
        counts: norms over the ``batch`` (D in the paper), or over each image: then the mean over
            classes is taken per ``image`` and averaged over images (I), or the mean over images per
            ``class`` and averaged over classes (C).
        classes: average over ``present`` classes (some target above 0.01) or over ``all``.
        alpha: weight of false positives, >= 0.
        beta: weight of false negatives, >= 0.
        smooth: e >= 0, in pixels.
        temperature: T > 0 of both softmaxes; scores are divided by it.

    Raises:
        ValueError: if a name is unknown, ``temperature`` is not positive, or a number negative.
    """

    needs_labels = True

    def __init__(
        self,
        target: Target = 'teacher',
        counts: Counts = 'batch',
        classes: Classes = 'present',
        *,
        alpha: float = 1.0,
        beta: float = 1.0,
        smooth: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ('target', target, get_args(Target)),
            ('counts', counts, get_args(Counts)),
            ('classes', classes, get_args(Classes)),
        ):
            if value not in known:
                raise ValueError(f'{name} must be one of {known}, got {value!r}')
        check_not_negative(alpha=alpha, beta=beta, smooth=smooth)
        self.target = target
        self.counts = counts
        self.classes = classes
        self.alpha = alpha
        self.beta = beta
        self.smooth = smooth
        self.temperature = check_temperature(temperature)

    def forward(
        self, student: Tensor, teacher: Tensor, valid: Tensor | None, labels: Tensor
    ) -> Tensor:
        """Return the loss.

        Args:
            student: (B, K, h, w), unnormalised scores.
            teacher: (B, K, h, w); not used with ``target='labels'``.
            valid: (B, h, w) bool, True = counts; None counts every pixel.
            labels: (B, H, W) int64, values outside of [0, K-1] = no class.

        Returns:
            Scalar in [0, 1]; 0 where the target is met exactly.
        """
        student, teacher, valid = prepare(student, teacher, valid)
        if self.target == 'labels':
            labels = labels_at(labels, student.shape[-2:])
            target, valid = _one_hot(labels, student, valid)
        else:
            target = (teacher / self.temperature).softmax(dim=1)
        return self.of_probabilities((student / self.temperature).softmax(dim=1), target, valid)

    def of_probabilities(self, probs: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Return the loss of probabilities.

        Args:
            probs: (B, K, h, w) in [0, 1].
            target: (B, K, h, w) in [0, 1].
            valid: (B, h, w) bool, True = counts.

        Returns:
            Scalar in [0, 1]; 0 with zero gradient when nothing is valid or no class is present.
        """
        pixels = (0, 2, 3) if self.counts == 'batch' else (2, 3)
        probs, target = (m.masked_fill(~valid[:, None], 0.0) for m in (probs, target))
        mass, mass_target, distance, peak = (
            sums.view(-1, probs.shape[1])  # (1, K) or (B, K)
            for sums in (
                probs.sum(pixels),
                target.sum(pixels),
                (probs - target).abs().sum(pixels),
                target.amax(pixels),
            )
        )
        hit = (mass + mass_target - distance) / 2
        missed = self.alpha * (mass - hit) + self.beta * (mass_target - hit)
        # 1 - (tp + e) / (tp + missed + e), written so that equality gives an exact 0.
        loss = missed / (hit + missed + self.smooth).clamp_min(torch.finfo(missed.dtype).tiny)
        has_target = mass_target.sum(dim=1) > 0
        counted = peak > PRESENT if self.classes == 'present' else torch.ones_like(peak).bool()
        counted = counted & has_target[:, None]
        dim, taken = (0, counted.any(dim=0)) if self.counts == 'class' else (1, has_target)
        means = (loss * counted).sum(dim) / counted.sum(dim).clamp_min(1)
        return masked_mean(means, taken)


def _one_hot(labels: Tensor, like: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, K, h, w) one-hot labels, and the mask without pixels of no class."""
    num_classes = like.shape[1]
    has_class = (labels >= 0) & (labels < num_classes)
    slots = labels.where(has_class, num_classes)
    one_hot = like.new_zeros(len(labels), num_classes + 1, *labels.shape[1:])
    return one_hot.scatter(1, slots[:, None], 1.0)[:, :num_classes], valid & has_class
