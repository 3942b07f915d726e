"""Distillation with one loss near class borders and another one away from them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dts.distill.losses.channel_wise import ChannelWiseKD
from dts.distill.losses.logit import LogitKD
from dts.distill.losses.maps import prepare
from dts.ranges import check_not_negative
from dts.registry import MODELS


@MODELS.register_module()
class BoundarySplitKD(nn.Module):
    """Pixel-wise distillation on a band along borders, channel-wise on the bodies.

        L = w_edge KD(s, t; V and band) + w_body CWD(s, t; V without band)

    The band holds pixels whose (2 r + 1)^2 neighbourhood shows another class, found at the size of
    the labels; a cell of the tap belongs to it if one of its pixels does. It may be empty or full.

    Source: style of Liu et al. (BPKD), WACV 2024 (arXiv 2306.08075).
    Deviation: the exact formula is not public; this one is ours.

    Args:
        radius: r >= 0 in pixels of the labels.
        edge_temperature: T > 0 of the band.
        body_temperature: T > 0 of the bodies.
        edge_weight: w_edge >= 0.
        body_weight: w_body >= 0.
        ignore_index: label of pixels that are no class.

    Raises:
        ValueError: if ``radius``, a temperature or a weight is out of range.
    """

    needs_labels = True

    def __init__(
        self,
        radius: int = 3,
        edge_temperature: float = 1.0,
        body_temperature: float = 4.0,
        *,
        edge_weight: float = 1.0,
        body_weight: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        if radius < 0:
            raise ValueError(f'radius must be at least 0, got {radius}')
        check_not_negative(edge_weight=edge_weight, body_weight=body_weight)
        self.radius = radius
        self.edge = LogitKD(edge_temperature)
        self.body = ChannelWiseKD(body_temperature)
        self.edge_weight = edge_weight
        self.body_weight = body_weight
        self.ignore_index = ignore_index

    def forward(
        self, student: Tensor, teacher: Tensor, valid: Tensor | None, labels: Tensor
    ) -> Tensor:
        """Return the loss.

        Args:
            student: (B, K, h, w), unnormalised scores.
            teacher: (B, K, h, w).
            valid: (B, h, w) bool, True = counts; None counts every pixel.
            labels: (B, H, W) int64.

        Returns:
            Scalar >= 0; 0 for equal scores.
        """
        student, teacher, valid = prepare(student, teacher, valid)
        band = boundary_band(labels, self.radius, self.ignore_index).float()
        is_edge = F.adaptive_max_pool2d(band, student.shape[-2:]) > 0  # (B, h, w)
        edge = self.edge(student, teacher, valid & is_edge)
        body = self.body(student, teacher, valid & ~is_edge)
        return self.edge_weight * edge + self.body_weight * body


def boundary_band(labels: Tensor, radius: int, ignore_index: int = 255) -> Tensor:
    """Return the pixels that have another class near them.

    Args:
        labels: (B, H, W) int64.
        radius: r >= 0 in pixels; the neighbourhood is a square of 2 r + 1.
        ignore_index: label of pixels that are no class; they have no band and make none.

    Returns:
        (B, H, W) bool.
    """
    is_class = labels != ignore_index
    values = labels.float()
    # Largest and smallest class of every neighbourhood; padding and ignored pixels never win.
    highest, negated_lowest = (
        F.max_pool2d(v.masked_fill(~is_class, float('-inf')), 2 * radius + 1, 1, radius)
        for v in (values, -values)
    )
    return is_class & (highest != -negated_lowest)
