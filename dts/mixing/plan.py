"""What a mixing operation decides: which pixels come from which image of the batch."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class MixPlan(NamedTuple):
    """Where every image of a batch shows its partner.

    Attributes:
        mask: (B, H, W) bool, True where the partner is shown.
        partner: (B,) int64, index of the partner of every image.
    """

    mask: Tensor
    partner: Tensor


class MixOperation(Protocol):
    """A mixing operation that configs name, for example ``dict(type='dts.CutMix')``."""

    def __call__(
        self, labels: Tensor, num_classes: int, generator: torch.Generator | None = None
    ) -> MixPlan:
        """Return what is shown where.

        Args:
            labels: (B, H, W) int64 in [0, num_classes - 1], any other value = no class.
            num_classes: K.
            generator: source of the draws, on the device of ``labels``; None takes that device's
                global one.

        Returns:
            The plan.
        """


def paste(plan: MixPlan, tensor: Tensor) -> Tensor:
    """Show the partner where the plan says so.

    With the same plan for image, label and confidence they cannot come apart.

    Args:
        plan: what is shown where.
        tensor: (B, H, W) or (B, C, H, W).

    Returns:
        A new tensor of the same shape.
    """
    mask = plan.mask if tensor.ndim == plan.mask.ndim else plan.mask[:, None]
    return torch.where(mask, tensor.index_select(0, plan.partner), tensor)


def draw_partner(labels: Tensor, permute: bool, generator: torch.Generator | None) -> Tensor:
    """Return the partner of every image.

    Args:
        labels: (B, H, W), for the size and the device.
        permute: draw a permutation, in which an image can be its own partner, as the code of Dual
            Teacher does; False takes the next image of the batch (cyclic), as the code of ClassMix
            does, so that in a shuffled batch of two or more every image has another one.
        generator: source of the draw; None takes the device's global one.

    Returns:
        (B,) int64.
    """
    batch_size, device = len(labels), labels.device
    if permute:
        return torch.rand(batch_size, generator=generator, device=device).argsort()
    return torch.arange(batch_size, device=device).roll(-1)
