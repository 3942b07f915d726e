"""CutMix: a rectangle of another image of the batch is pasted, with its supervision.

Source: Yun et al., ICCV 2019; French et al., BMVC 2020 (segmentation without labels).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dts.mixing.plan import MixPlan, draw_partner
from dts.registry import MODELS


@MODELS.register_module()
class CutMix:
    """One random rectangle per image, of random area and aspect.

    Source: box of the UniMatch family, LiheYoung/UniMatch dataset/transform.py: area 2-40 % of the
    image, aspect (height/width) 0.3-3.3, applied with probability 0.5.
    Deviation: the box is clipped to the image where a draw does not fit (there it is drawn again,
    an unbounded loop); the aspect is drawn log-uniformly, so that tall and wide boxes are equally
    likely; the partner is the next image of the batch (there: the reversed batch, in which the
    middle one of an odd number is its own partner).

    Args:
        probability: share of the images that get a box, in [0, 1].
        area: smallest and largest share of the image that a box covers before it is clipped.
        aspect: smallest and largest height / width in pixels.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        probability: float = 0.5,
        area: tuple[float, float] = (0.02, 0.4),
        aspect: tuple[float, float] = (0.3, 1 / 0.3),
    ) -> None:
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f'probability of CutMix must be in [0, 1], got {probability}')
        if not (_are_ordered(area) and area[0] >= 0.0 and area[1] <= 1.0):
            raise ValueError(f'area of CutMix must be two shares, smallest first, got {area!r}')
        if not (_are_ordered(aspect) and aspect[0] > 0.0):
            raise ValueError(
                f'aspect of CutMix must be two numbers > 0, smallest first, got {aspect!r}'
            )
        self.probability = probability
        self.area = area
        self.aspect = aspect

    def __call__(
        self, labels: Tensor, num_classes: int, generator: torch.Generator | None = None
    ) -> MixPlan:
        """Draw the boxes; see ``MixOperation``.

        Args:
            labels: (B, H, W), for the size and the device only.
            num_classes: not used.
            generator: source of the draws; None takes the device's global one.

        Returns:
            The plan.
        """
        batch_size, height, width = labels.shape
        applied, share, shape, top, left = torch.rand(
            5, batch_size, generator=generator, device=labels.device
        )
        low, high = (math.log(limit) for limit in self.aspect)
        pixels = (self.area[0] + share * (self.area[1] - self.area[0])) * (height * width)
        ratio = torch.exp(low + shape * (high - low))
        box_height = (pixels * ratio).sqrt().clamp(max=height)
        box_width = (pixels / ratio).sqrt().clamp(max=width)
        y0, x0 = top * (height - box_height), left * (width - box_width)
        mask = boxes((y0, y0 + box_height), (x0, x0 + box_width), height, width)
        mask &= (applied < self.probability)[:, None, None]
        return MixPlan(mask, draw_partner(labels, False, generator))


@MODELS.register_module()
class BetaCutMix:
    """One rectangle size per batch, its area drawn from Beta(4, 4), at a place per image.

    Sides are sqrt(1 - lam) of the image's; the center is uniform in [1/8, 1) of each side and the
    box is clipped at the border.

    Source: CutMix of naver-ai/dual-teacher (parity).

    Args:
        permute: partner by a random permutation (parity) instead of the next image.
    """

    def __init__(self, permute: bool = False) -> None:
        self.permute = permute

    def __call__(
        self, labels: Tensor, num_classes: int, generator: torch.Generator | None = None
    ) -> MixPlan:
        """Draw the boxes; see ``MixOperation``.

        Args:
            labels: (B, H, W), for the size and the device only.
            num_classes: not used.
            generator: source of the draws; None takes the device's global one.

        Returns:
            The plan.
        """
        batch_size, height, width = labels.shape
        # The fourth of seven ordered uniforms is Beta(4, 4): no sampler that waits for the device.
        lam = torch.rand(7, generator=generator, device=labels.device).sort().values[3]
        half = (1.0 - lam).sqrt() / 2.0
        center = (
            torch.rand(2, batch_size, generator=generator, device=labels.device) * 0.875 + 0.125
        )
        (y0, x0), (y1, x1) = center - half, center + half
        mask = boxes((y0 * height, y1 * height), (x0 * width, x1 * width), height, width)
        return MixPlan(mask, draw_partner(labels, self.permute, generator))


@MODELS.register_module()
class HalfCutMix:
    """One rectangle per image that covers half of it, inside the image.

    The height's share of the image's is log-uniform in [1/2, 1], the width's is 1/2 over it.

    Source: Britefury/cutmix-semisup-seg, box mask generator with proportion 0.5.
    """

    def __call__(
        self, labels: Tensor, num_classes: int, generator: torch.Generator | None = None
    ) -> MixPlan:
        """Draw the boxes; see ``MixOperation``.

        Args:
            labels: (B, H, W), for the size and the device only.
            num_classes: not used.
            generator: source of the draws; None takes the device's global one.

        Returns:
            The plan.
        """
        batch_size, height, width = labels.shape
        shape, top, left = torch.rand(3, batch_size, generator=generator, device=labels.device)
        box_height = height * 0.5 ** (1.0 - shape)
        box_width = width * 0.5**shape
        y0, x0 = top * (height - box_height), left * (width - box_width)
        mask = boxes((y0, y0 + box_height), (x0, x0 + box_width), height, width)
        return MixPlan(mask, draw_partner(labels, False, generator))


def boxes(
    rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor], height: int, width: int
) -> Tensor:
    """Return rectangles as masks; a pixel belongs to a box that holds its center.

    Args:
        rows: upper (inclusive) and lower (exclusive) edge in pixels, (B,) each.
        columns: left and right edge in pixels, (B,) each.
        height: H in pixels.
        width: W in pixels.

    Returns:
        (B, H, W) bool.
    """
    y = torch.arange(height, device=rows[0].device) + 0.5
    x = torch.arange(width, device=rows[0].device) + 0.5
    inside_rows = (y >= rows[0][:, None]) & (y < rows[1][:, None])  # (B, H)
    inside_columns = (x >= columns[0][:, None]) & (x < columns[1][:, None])  # (B, W)
    return inside_rows[:, :, None] & inside_columns[:, None, :]


def _are_ordered(limits: object) -> bool:
    """Return whether it is a smallest and a largest number."""
    return isinstance(limits, list | tuple) and len(limits) == 2 and limits[0] <= limits[1]
