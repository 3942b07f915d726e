"""Settings of the switches of ``dts.SelfTraining``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureDistance:
    """Settings of the thing-class feature distance of DAFormer.

    Attributes:
        classes: the thing classes.
        weight: lambda_F >= 0.
        min_share: share in [0, 1] of the pixels under a feature that its class must have.
    """

    classes: Sequence[int]
    weight: float = 0.005
    min_share: float = 0.75


@dataclass(frozen=True)
class Masking:
    """Settings of the masked consistency of MIC.

    Attributes:
        block_size: side of a block in pixels; 64 at full resolution, 32 at half.
        ratio: probability in [0, 1] that a block is dropped.
        weight: lambda_B >= 0; acts on the terms of all heads.
        color: whether target images are recoloured before masking (synthetic to real).
    """

    block_size: int = 64
    ratio: float = 0.7
    weight: float = 1.0
    color: bool = True
