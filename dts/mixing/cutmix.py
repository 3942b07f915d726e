"""CutMix: a rectangle of another image of the batch is pasted, with its supervision."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def cutmix_masks(
    batch_size: int,
    height: int,
    width: int,
    *,
    area: tuple[float, float] = (0.02, 0.4),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
    probability: float = 0.5,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return one random rectangle per image.

    Source: box of the UniMatch family, LiheYoung/UniMatch dataset/transform.py: area 2-40 % of the
    image, aspect (height/width) 0.3-3.3, applied with probability 0.5.
    Deviation: the box is clipped to the image where a draw does not fit (there it is drawn again,
    an unbounded loop), and the aspect is drawn log-uniformly, so that tall and wide boxes are
    equally likely.

    Args:
        batch_size: number of masks B.
        height: H in pixels.
        width: W in pixels.
        area: smallest and largest share of the image that a box covers before it is clipped.
        aspect: smallest and largest height / width.
        probability: share of the images that get a box.
        generator: source of the draws, on ``device``; None takes that device's global one.
        device: where the masks are made.

    Returns:
        (B, H, W) bool, True where the other image is pasted.
    """
    applied, share, shape, top, left = torch.rand(5, batch_size, generator=generator, device=device)
    pixels = (area[0] + share * (area[1] - area[0])) * (height * width)
    ratio = torch.exp(math.log(aspect[0]) + shape * (math.log(aspect[1]) - math.log(aspect[0])))
    box_height = (pixels * ratio).sqrt().clamp(max=height)
    box_width = (pixels / ratio).sqrt().clamp(max=width)
    y0, x0 = top * (height - box_height), left * (width - box_width)
    rows = torch.arange(height, device=device) + 0.5  # pixel centers
    columns = torch.arange(width, device=device) + 0.5
    inside_rows = (rows >= y0[:, None]) & (rows < (y0 + box_height)[:, None])  # (B, H)
    inside_columns = (columns >= x0[:, None]) & (columns < (x0 + box_width)[:, None])  # (B, W)
    inside = inside_rows[:, :, None] & inside_columns[:, None, :]  # (B, H, W)
    return inside & (applied < probability)[:, None, None]


def paste(mask: Tensor, tensor: Tensor) -> Tensor:
    """Paste, where the mask is True, what the partner image has there.

    The partner of image b is image B - 1 - b: with the same call for image, label and weight they
    cannot come apart.

    Args:
        mask: (B, H, W) bool.
        tensor: (B, H, W) or (B, C, H, W).

    Returns:
        A new tensor of the same shape.
    """
    if tensor.ndim == mask.ndim + 1:
        mask = mask[:, None]
    return torch.where(mask, tensor.flip(0), tensor)
