"""Numbers that tell how good pseudo-labels are, for the log only."""

from __future__ import annotations

from torch import Tensor

from dts.targets.pseudo_label import PseudoLabels


def accepted_ratio(target: PseudoLabels, ignore_index: int = 255) -> Tensor:
    """Return the share of the valid pixels whose label is trusted.

    Args:
        target: pseudo-labels.
        ignore_index: label of padding.

    Returns:
        Scalar in [0, 1]; 0 when no pixel is valid.
    """
    return _share(target.weights > 0, target.labels != ignore_index)


def disagreement(logits_student: Tensor, target: PseudoLabels, ignore_index: int = 255) -> Tensor:
    """Return the share of the valid pixels where student and teacher name different classes.

    Args:
        logits_student: (B, K, H, W).
        target: pseudo-labels of the same pixels.
        ignore_index: label of padding.

    Returns:
        Scalar in [0, 1]; 0 when no pixel is valid.
    """
    predicted = logits_student.detach().argmax(dim=1)
    return _share(predicted != target.labels, target.labels != ignore_index)


def pseudo_label_accuracy(target: PseudoLabels, labels: Tensor, ignore_index: int = 255) -> Tensor:
    """Return the share of the trusted pixels whose label is right.

    Args:
        target: pseudo-labels.
        labels: (B, H, W) int64, true labels that training does not see.
        ignore_index: true label of pixels that are not judged.

    Returns:
        Scalar in [0, 1]; 0 when no trusted pixel has a true label.
    """
    return _share(target.labels == labels, (target.weights > 0) & (labels != ignore_index))


def _share(hits: Tensor, mask: Tensor) -> Tensor:
    """Return #(hits and mask) / max(1, #mask)."""
    return (hits & mask).sum() / mask.sum().clamp_min(1)
