"""Masked generative distillation: make the teacher's features from a part of the student's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dts.distill.losses.maps import full_precision, masked_mean, prepare
from dts.ranges import check_shares
from dts.registry import MODELS


@MODELS.register_module()
class MGD(nn.Module):
    """Squared error of what a small network makes of masked features.

        L = 1 / (C |V|) sum_{p in V} ||G(M s)_p - t_p||^2,   G = conv3x3, ReLU, conv3x3

    M drops each position of an image with probability ``mask_ratio``, all channels alike, and those
    that are not valid. G is trained with the student and is no part of it. Equal features do not
    give 0.

    Source: Yang et al., ECCV 2022 (arXiv 2205.01529), yzd-v/MGD.
    Deviation: there a sum over C h w, divided by the batch: a weight of 2e-5 there is 2e-5 C h w
    here. The 1x1 convolution that aligns channels is ``dts.ConvAdapter``.

    Args:
        channels: C of the teacher's map, >= 1.
        mask_ratio: share of positions that are dropped, in [0, 1].

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, channels: int, mask_ratio: float = 0.75) -> None:
        super().__init__()
        check_shares(mask_ratio=mask_ratio)
        if channels < 1:
            raise ValueError(f'channels must be at least 1, got {channels}')
        self.mask_ratio = mask_ratio
        self.generator = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            student: (B, C, h, w).
            teacher: (B, C, h, w).
            valid: (B, h, w) bool, True = counts; None counts every position.

        Returns:
            Scalar >= 0.

        Raises:
            ValueError: if the maps have other channels than ``channels``.
        """
        student, teacher, valid = prepare(student, teacher, valid)
        channels = self.generator[0].in_channels
        if student.shape[1] != channels:
            raise ValueError(
                f'the maps have {student.shape[1]} channels, MGD was made for channels={channels}: '
                f'set loss.channels={student.shape[1]}'
            )
        drawn = torch.rand(valid.shape, device=valid.device)
        seen = student * (drawn >= self.mask_ratio)[:, None]
        generated = full_precision(self.generator(seen))
        return masked_mean((generated - teacher).square().mean(dim=1), valid)
