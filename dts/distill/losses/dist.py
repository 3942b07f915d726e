"""Distillation from a stronger teacher: match how predictions are related, not their values."""

from __future__ import annotations

import logging

from mmengine.logging import print_log
from torch import Tensor, nn

from dts.distill.losses.maps import check_temperature, masked_mean, prepare
from dts.ranges import check_not_negative
from dts.registry import MODELS

# Added to variances and covariance alike: rows without contrast agree with each other, and their
# gradient stays bounded.
EPSILON = 1e-8


@MODELS.register_module()
class DIST(nn.Module):
    """One minus Pearson's correlation of probabilities, over classes and over pixels.

        L = T^2 [w_inter mean_{p in V} (1 - r(s_p, t_p)) + w_intra mean_k (1 - r(s^k, t^k))]

    s_p are the K probabilities of pixel p; s^k those of class k at all valid pixels of the batch.

    Source: Huang et al., NeurIPS 2022 (arXiv 2205.10536), hunto/DIST_KD; weights 1 and 1 at T = 1.
    Deviation: r = (cov + e) / sqrt((var_s + e) (var_t + e)) (there no e in the numerator), so that
    equal maps give 0 even where they are constant.

    With two classes the first term of a pixel is 0 or 2 and teaches nothing: a warning is logged.

    Args:
        temperature: T > 0.
        inter_weight: weight of the term over classes, >= 0.
        intra_weight: weight of the term over pixels, >= 0.

    Raises:
        ValueError: if ``temperature`` is not positive, or a weight negative.
    """

    def __init__(
        self, temperature: float = 1.0, inter_weight: float = 1.0, intra_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_not_negative(inter_weight=inter_weight, intra_weight=intra_weight)
        self.temperature = check_temperature(temperature)
        self.inter_weight = inter_weight
        self.intra_weight = intra_weight
        self._has_warned = False

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            student: (B, K, h, w), unnormalised scores.
            teacher: (B, K, h, w).
            valid: (B, h, w) bool, True = counts; None counts every pixel.

        Returns:
            Scalar in [0, 2 T^2 (inter_weight + intra_weight)]; 0 for equal scores.
        """
        student, teacher, valid = prepare(student, teacher, valid)
        self._warn(student.shape[1])
        probs_student = (student / self.temperature).softmax(dim=1)  # (B, K, h, w)
        probs_teacher = (teacher / self.temperature).softmax(dim=1)

        inter = 1 - _correlation(
            probs_student - probs_student.mean(dim=1, keepdim=True),
            probs_teacher - probs_teacher.mean(dim=1, keepdim=True),
            dim=(1,),
        )  # (B, h, w)
        intra = 1 - _correlation(
            _centered(probs_student, valid), _centered(probs_teacher, valid), dim=(0, 2, 3)
        )  # (K,)
        loss = self.inter_weight * masked_mean(inter, valid) + self.intra_weight * intra.mean()
        return self.temperature**2 * loss

    def _warn(self, num_classes: int) -> None:
        """Say once that two classes are too few."""
        if num_classes == 2 and not self._has_warned:
            self._has_warned = True
            print_log(
                'dts.DIST with 2 classes: its term over classes has no gradient, only the term '
                'over pixels trains (hunto/DIST_KD#2); dts.LogitKD or dts.ChannelWiseKD teach more',
                logger='current',
                level=logging.WARNING,
            )


def _centered(probs: Tensor, valid: Tensor) -> Tensor:
    """Return probabilities minus their mean over valid pixels, 0 elsewhere."""
    mask = valid[:, None]
    total = probs.masked_fill(~mask, 0.0).sum(dim=(0, 2, 3), keepdim=True)
    mean = total / valid.sum().clamp_min(1)
    return (probs - mean).masked_fill(~mask, 0.0)


def _correlation(first: Tensor, second: Tensor, dim: tuple[int, ...]) -> Tensor:
    """Return Pearson's correlation of centered values."""
    covariance = (first * second).sum(dim)
    variances = (first.square().sum(dim) + EPSILON) * (second.square().sum(dim) + EPSILON)
    return (covariance + EPSILON) / variances.sqrt()
