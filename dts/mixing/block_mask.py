"""Masks of square blocks, the masked image of MIC."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def block_masks(
    images: Tensor,
    block_size: int,
    ratio: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return masks that drop square blocks, each with the same probability.

    Multiplied into normalised images, a dropped pixel becomes the mean of the data.

    Source: Hoyer et al. (MIC), CVPR 2023, Eq. (5); lhoyer/MIC seg/mmseg/models/utils/masking_
    transforms.py: a grid of round(H/b) x round(W/b) cells, enlarged by nearest neighbours.

    Args:
        images: (B, C, H, W), for size, type and device.
        block_size: b, side of a block in pixels, >= 1.
        ratio: r, probability in [0, 1] that a block is dropped.
        generator: source of the draws, on the device of ``images``; None takes its global one.

    Returns:
        (B, 1, H, W) of the type of ``images``, 1 = kept, 0 = dropped.
    """
    height, width = images.shape[-2:]
    cells = (len(images), 1, max(1, round(height / block_size)), max(1, round(width / block_size)))
    draws = torch.rand(cells, generator=generator, device=images.device)
    kept = (draws >= ratio).to(images.dtype)
    return F.interpolate(kept, size=(height, width), mode='nearest')
