"""ClassMix: all pixels of half of the classes of an image are kept, the partner fills the rest."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from dts.mixing.plan import MixPlan, draw_partner
from dts.registry import MODELS

ClassDraw = Literal['image', 'image_ignored', 'batch']


@MODELS.register_module()
class ClassMix:
    """Keep floor(n/2) of the n classes that the labels of an image show, drawn at random.

    Everything is a tensor operation: no class is counted on the host. Pixels without a class
    (ignored, padding) belong to the part that the partner fills.

    Source: Olsson et al., WACV 2021; WilhelmT/ClassMix: floor(n/2) predicted classes.

    Args:
        permute: partner by a random permutation (as in naver-ai/dual-teacher, where two images
            swap) instead of the next image.
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
        permute = self.permute and len(labels) > 2
        return MixPlan(~kept, draw_partner(labels, permute, generator))


def draw_classes(
    labels: Tensor,
    num_classes: int,
    generator: torch.Generator | None = None,
    *,
    round_up: bool = False,
    class_draw: ClassDraw = 'image',
) -> Tensor:
    """Return where an image shows one of floor(n/2) of n classes, drawn at random for each image.

    Source of ``class_draw='image_ignored'``: vikolss/DACS trainUDA.py, where the line that would
    leave the ignored value out is commented out. Of ``batch``: lhoyer/DAFormer
    mmseg/models/utils/dacs_transforms.py ``get_class_masks``, kept by HRDA and MIC: every image
    draws from the classes of all images, the ignored value among them, so it may show none of what
    it drew.

    Args:
        labels: (B, H, W) int64 in [0, num_classes - 1], any other value = no class.
        num_classes: K.
        generator: source of the draws; None takes the device's global one.
        round_up: draw ceil(n/2) classes, as DACS does on source labels.
        class_draw: ``image`` draws from the n classes that the image shows; ``image_ignored``
            (parity) from these and one more, all pixels without a class; ``batch`` (parity) from
            the n classes that the batch shows, pixels without a class again one more.

    Returns:
        (B, H, W) bool; with ``image`` False where there is no class.

    Raises:
        ValueError: if ``class_draw`` is unknown.
    """
    if class_draw not in get_args(ClassDraw):
        raise ValueError(f'class_draw must be one of {get_args(ClassDraw)}, got {class_draw!r}')
    batch_size = len(labels)
    has_class = (labels >= 0) & (labels < num_classes)
    # One more slot, for pixels without a class.
    slots = torch.where(has_class, labels, num_classes).flatten(1)  # (B, H W)
    shown = torch.zeros(batch_size, num_classes + 1, device=labels.device)
    shown = shown.scatter(1, slots, 1.0)  # 1 = present
    if class_draw == 'batch':
        candidates = shown.amax(dim=0, keepdim=True).expand_as(shown)  # (B, K + 1)
    elif class_draw == 'image_ignored':
        candidates = shown
    else:
        candidates = shown[:, :num_classes]  # (B, K)
    # Candidates get a key in (0, 1], other classes 0: they come first in descending order.
    draws = torch.rand(candidates.shape, generator=generator, device=labels.device)
    rank = (candidates * (1.0 - draws)).argsort(dim=1, descending=True).argsort(dim=1)
    half = candidates.sum(dim=1, keepdim=True).div(2)  # (B, 1)
    drawn = rank < (half.ceil() if round_up else half.floor())
    never = drawn.new_zeros(batch_size, num_classes + 1 - drawn.shape[1])
    return torch.cat([drawn, never], dim=1).gather(1, slots).view_as(labels)
