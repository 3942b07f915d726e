"""Numbers that tell how good pseudo-labels are, for the log only."""

from __future__ import annotations

import torch
from torch import Tensor

from dts.targets.pseudo_label import PseudoLabels
from dts.targets.weighting import accepted


def accepted_ratio(target: PseudoLabels, threshold: float, ignore_index: int = 255) -> Tensor:
    """Return the share of the valid pixels whose label is accepted.

    Args:
        target: pseudo-labels.
        threshold: probability in [0, 1] from which on a label is accepted.
        ignore_index: label of padding.

    Returns:
        Scalar in [0, 1]; 0 when no pixel is valid.
    """
    return _share(accepted(target, threshold, ignore_index), target.labels != ignore_index)


def disagreement(logits_student: Tensor, labels: Tensor, ignore_index: int = 255) -> Tensor:
    """Return the share of the valid pixels where student and teacher name different classes.

    Args:
        logits_student: (B, K, H, W).
        labels: (B, H, W) int64, what the teacher says of the same pixels.
        ignore_index: label of padding.

    Returns:
        Scalar in [0, 1]; 0 when no pixel is valid. A label that ties for the student's highest
        score is one that the student names.
    """
    logits = logits_student.detach()
    valid = labels != ignore_index
    # Not argmax, which costs ten times as much as amax and gather on the CPU.
    score_of_label = logits.gather(1, torch.where(valid, labels, 0)[:, None])[:, 0]
    return _share(score_of_label < logits.amax(dim=1), valid)


def labels_differ(first: Tensor, second: Tensor, ignore_index: int = 255) -> Tensor:
    """Return the share of the valid pixels to which two label maps give different classes.

    Args:
        first: (B, H, W) int64.
        second: (B, H, W) int64.
        ignore_index: value of ``second`` that marks pixels that are not judged.

    Returns:
        Scalar in [0, 1]; 0 when no pixel is valid.
    """
    return _share(first != second, second != ignore_index)


def pseudo_label_accuracy(
    target: PseudoLabels, threshold: float, labels: Tensor, ignore_index: int = 255
) -> Tensor:
    """Return the share of the accepted pixels whose label is right.

    Args:
        target: pseudo-labels.
        threshold: probability in [0, 1] from which on a label is accepted.
        labels: (B, H, W) int64, true labels that training does not see.
        ignore_index: true label of pixels that are not judged.

    Returns:
        Scalar in [0, 1]; 0 when no accepted pixel has a true label.
    """
    judged = accepted(target, threshold, ignore_index) & (labels != ignore_index)
    return _share(target.labels == labels, judged)


def _share(hits: Tensor, mask: Tensor) -> Tensor:
    """Return #(hits and mask) / max(1, #mask)."""
    return (hits & mask).sum() / mask.sum().clamp_min(1)
