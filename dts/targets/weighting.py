"""How confidence becomes the weight of a pixel of the unlabelled term."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from dts.targets.pseudo_label import PseudoLabels


def accepted(target: PseudoLabels, threshold: float, ignore_index: int = 255) -> Tensor:
    """Return where a valid pixel's label is at least as sure as the threshold.

    Args:
        target: pseudo-labels.
        threshold: probability in [0, 1]; pixels strictly below are rejected.
        ignore_index: label of padding.

    Returns:
        (B, H, W) bool.
    """
    return (target.confidence >= threshold) & (target.labels != ignore_index)


def pixel_mask(target: PseudoLabels, threshold: float, ignore_index: int = 255) -> Tensor:
    """Weigh accepted pixels 1 and all others 0.

    Source: Sohn et al. (FixMatch), NeurIPS 2020, Eq. (4): 1(max p >= threshold).

    Args:
        target: pseudo-labels.
        threshold: probability in [0, 1].
        ignore_index: label of padding.

    Returns:
        (B, H, W) float32.
    """
    return accepted(target, threshold, ignore_index).float()


def image_fraction(target: PseudoLabels, threshold: float, ignore_index: int = 255) -> Tensor:
    """Weigh every pixel by the accepted share of the valid pixels of its image.

    Unsure pixels teach too; an image without a valid pixel weighs 0.

    Source: weight of the CutMix epochs of naver-ai/dual-teacher.

    Args:
        target: pseudo-labels.
        threshold: probability in [0, 1].
        ignore_index: label of padding.

    Returns:
        (B, H, W) float32 in [0, 1], one value per image.
    """
    num_accepted = accepted(target, threshold, ignore_index).flatten(1).sum(dim=1)
    num_valid = (target.labels != ignore_index).flatten(1).sum(dim=1)
    share = num_accepted / num_valid.clamp_min(1)  # (B,)
    return share[:, None, None].expand(target.labels.shape)


def batch_fraction(target: PseudoLabels, threshold: float, ignore_index: int = 255) -> Tensor:
    """Weigh every pixel by the accepted share of the valid pixels of the batch.

    Source: DACS (Tranheden et al., WACV 2021) and the ClassMix epochs of naver-ai/dual-teacher;
    both count padding too.

    Args:
        target: pseudo-labels.
        threshold: probability in [0, 1].
        ignore_index: label of padding.

    Returns:
        (B, H, W) float32 in [0, 1], one value; 0 when no pixel is valid.
    """
    num_accepted = accepted(target, threshold, ignore_index).sum()
    num_valid = (target.labels != ignore_index).sum()
    return (num_accepted / num_valid.clamp_min(1)).expand(target.labels.shape)


Weighting = Callable[[PseudoLabels, float], Tensor]

WEIGHTINGS: dict[str, Weighting] = {
    function.__name__: function for function in (pixel_mask, image_fraction, batch_fraction)
}


def get_weighting(name: str) -> Weighting:
    """Return a weighting by its name in a config.

    Args:
        name: ``pixel_mask``, ``image_fraction`` or ``batch_fraction``.

    Returns:
        The function.

    Raises:
        ValueError: for another name.
    """
    if name not in WEIGHTINGS:
        raise ValueError(f'weighting must be one of {sorted(WEIGHTINGS)}, got {name!r}')
    return WEIGHTINGS[name]
