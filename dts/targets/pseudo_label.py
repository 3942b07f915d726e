"""Hard labels from a teacher's probabilities, with the confidence that decides their weight."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dts.mixing.plan import MixPlan, paste


class PseudoLabels(NamedTuple):
    """Supervision that a teacher gives.

    Attributes:
        labels: (B, H, W) int64, the class, ``ignore_index`` where the image has no valid pixel.
        confidence: (B, H, W) float32 in [0, 1], probability of that class, 0 in the padding.
    """

    labels: Tensor
    confidence: Tensor

    def mixed(self, plan: MixPlan) -> PseudoLabels:
        """Return the supervision of the mixed images.

        Args:
            plan: the plan by which the images are mixed.

        Returns:
            Labels and confidence of the pixels that the mixed images show.
        """
        return PseudoLabels(paste(plan, self.labels), paste(plan, self.confidence))


def make_pseudo_labels(
    probs_teacher: Tensor, valid_mask: Tensor, ignore_index: int = 255
) -> PseudoLabels:
    """Return the most probable class of every pixel and its probability.

    Args:
        probs_teacher: (B, K, H, W) in [0, 1].
        valid_mask: (B, H, W) bool, True where the image is, False in its padding.
        ignore_index: label written into the padding.

    Returns:
        Labels and confidence.
    """
    confidence, labels = probs_teacher.max(dim=1)  # (B, H, W) each
    return PseudoLabels(
        torch.where(valid_mask, labels, ignore_index), torch.where(valid_mask, confidence, 0.0)
    )
