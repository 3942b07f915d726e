"""Hard labels from a teacher's probabilities, with the weight that confidence gives each pixel."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PseudoLabels(NamedTuple):
    """Supervision that a teacher gives.

    Attributes:
        labels: (B, H, W) int64, the class, ``ignore_index`` where the image has no valid pixel.
        weights: (B, H, W) float32, 1 where the teacher is sure enough, else 0.
    """

    labels: Tensor
    weights: Tensor


def make_pseudo_labels(
    probs_teacher: Tensor, valid_mask: Tensor, threshold: float, ignore_index: int = 255
) -> PseudoLabels:
    """Return the most probable class of every pixel and whether it is trusted.

    Source: Sohn et al. (FixMatch), NeurIPS 2020, Eq. (4): 1(max p >= threshold).

    Args:
        probs_teacher: (B, K, H, W) in [0, 1].
        valid_mask: (B, H, W) bool, True where the image is, False in its padding.
        threshold: probability in [0, 1]; pixels strictly below get weight 0.
        ignore_index: label written into the padding.

    Returns:
        Labels and weights.
    """
    confidence, labels = probs_teacher.max(dim=1)  # (B, H, W) each
    weights = ((confidence >= threshold) & valid_mask).float()
    return PseudoLabels(torch.where(valid_mask, labels, ignore_index), weights)
