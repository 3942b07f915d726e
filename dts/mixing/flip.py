"""Mirror images of a batch, and their supervision, each by a draw of its own."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_flips(
    labels: Tensor, probability: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    """Return which images of a batch are mirrored.

    Args:
        labels: (B, H, W), for the number of images and the device only.
        probability: share of the images that are mirrored, in [0, 1].
        generator: source of the draws; None takes the device's global one.

    Returns:
        (B,) bool.
    """
    draws = torch.rand(len(labels), generator=generator, device=labels.device)
    return draws < probability


def flip(flips: Tensor, tensor: Tensor) -> Tensor:
    """Swap left and right where ``draw_flips`` says so.

    With the same draw for image, label and confidence they cannot come apart.

    Args:
        flips: (B,) bool.
        tensor: (B, H, W) or (B, C, H, W).

    Returns:
        A new tensor of the same shape.
    """
    return torch.where(flips.view(-1, *[1] * (tensor.ndim - 1)), tensor.flip(-1), tensor)
