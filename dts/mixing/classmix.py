"""ClassMix: all pixels of half of the classes of an image are kept, the partner fills the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from dts.mixing.plan import MixPlan, draw_partner
from dts.registry import MODELS


@MODELS.register_module()
class ClassMix:
    """Keep floor(n/2) of the n classes that the labels of an image show, drawn at random.

    Everything is a tensor operation: no class is counted on the host. Pixels without a class
    (ignored, padding) belong to the part that the partner fills.

    Source: Olsson et al., WACV 2021; WilhelmT/ClassMix: floor(n/2) predicted classes.

    Args:
        permute: partner by a random permutation (as in naver-ai/dual-teacher) instead of the next
            image.
    """

    def __init__(self, permute: bool = False) -> None:
        self.permute = permute

    def __call__(
        self, labels: Tensor, num_classes: int, generator: torch.Generator | None = None
    ) -> MixPlan:
        """Draw the classes; see ``MixOperation``.

        Args:
            labels: (B, H, W) int64 in [0, num_classes - 1], any other value = no class.
            num_classes: K.
            generator: source of the draws; None takes the device's global one.

        Returns:
            The plan.
        """
        kept = draw_classes(labels, num_classes, generator)
        return MixPlan(~kept, draw_partner(labels, self.permute, generator))


def draw_classes(
    labels: Tensor,
    num_classes: int,
    generator: torch.Generator | None = None,
    *,
    round_up: bool = False,
) -> Tensor:
    """Return where an image shows one of floor(n/2) of its n classes, drawn at random.

    Args:
        labels: (B, H, W) int64 in [0, num_classes - 1], any other value = no class.
        num_classes: K.
        generator: source of the draws; None takes the device's global one.
        round_up: draw ceil(n/2) classes, as DACS does on source labels.

    Returns:
        (B, H, W) bool, False where there is no class.
    """
    batch_size = len(labels)
    has_class = (labels >= 0) & (labels < num_classes)
    # One more slot, for pixels without a class; it is never drawn.
    slots = torch.where(has_class, labels, num_classes).flatten(1)  # (B, H W)
    shown = torch.zeros(batch_size, num_classes + 1, device=labels.device)
    shown = shown.scatter(1, slots, 1.0)[:, :num_classes]  # (B, K), 1 = present
    # Present classes get a key in (0, 1], absent ones 0: they come first in descending order.
    keys = shown * (1.0 - torch.rand(shown.shape, generator=generator, device=labels.device))
    rank = keys.argsort(dim=1, descending=True).argsort(dim=1)
    half = shown.sum(dim=1, keepdim=True).div(2)  # (B, 1)
    drawn = rank < (half.ceil() if round_up else half.floor())  # (B, K)
    drawn = torch.cat([drawn, drawn.new_zeros(batch_size, 1)], dim=1)
    return drawn.gather(1, slots).view_as(labels)
