"""Labels and their validity at the resolution of a tapped map."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

MaskRule = Literal['nearest', 'all']
MASK_RULES: tuple[str, ...] = get_args(MaskRule)


def labels_at(labels: Tensor, size: torch.Size) -> Tensor:
    """Return the label nearest to the center of every cell of a coarser (or finer) map.

    Args:
        labels: (B, H, W) int64.
        size: (h, w) of the map, its ``shape[-2:]``.

    Returns:
        (B, h, w) int64.
    """
    if labels.shape[-2:] == size:
        return labels
    # Interpolation wants floats, which hold labels up to 2^24 exactly.
    nearest = F.interpolate(labels[:, None].float(), size=size, mode='nearest-exact')
    return nearest[:, 0].long()


def valid_at(
    labels: Tensor, size: torch.Size, rule: MaskRule = 'nearest', ignore_index: int = 255
) -> Tensor:
    """Return which positions of a map count.

    Args:
        labels: (B, H, W) int64; padding is labelled ``ignore_index``.
        size: (h, w) of the map, its ``shape[-2:]``.
        rule: ``nearest``: the label nearest to the center of the cell is not ignored. ``all``: no
            label of the cell is.
        ignore_index: label of pixels that are left out.

    Returns:
        (B, h, w) bool, True = counts.
    """
    if rule == 'nearest':
        return labels_at(labels, size) != ignore_index
    ignored = (labels == ignore_index).float()
    return F.adaptive_max_pool2d(ignored, size) == 0
