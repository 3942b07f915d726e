"""Settings of the switches of ``dts.SelfTraining``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from dts.methods.host import Supervision, Views
from dts.ranges import check_not_negative, check_shares

MaskedImages = Literal['target', 'separate']


@dataclass(frozen=True)
class FeatureDistance:
    """Settings of the thing-class feature distance of DAFormer.

    Attributes:
        classes: the thing classes.
        weight: lambda_F >= 0.
        min_share: share in [0, 1] of the pixels under a feature that its class must have.

    Raises:
        ValueError: if there is no class, or a value is out of range.
    """

    classes: Sequence[int]
    weight: float = 0.005
    min_share: float = 0.75

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.classes or min(self.classes) < 0:
            raise ValueError(
                'feature_distance.classes must name thing classes, such as [6, 7], got '
                f'{self.classes!r}; feature_distance=None switches the distance off'
            )
        check_not_negative(**{'feature_distance.weight': self.weight})
        check_shares(**{'feature_distance.min_share': self.min_share})

    def check_classes(self, num_classes: int) -> None:
        """Refuse classes that the student does not score.

        Args:
            num_classes: number of classes of the student.

        Raises:
            ValueError: if a class is not below ``num_classes``.
        """
        unknown = [index for index in self.classes if index >= num_classes]
        if unknown:
            raise ValueError(
                f'feature_distance.classes names {unknown}, the student scores the classes 0 to '
                f'{num_classes - 1}'
            )


@dataclass(frozen=True)
class Masking:
    """Settings of the masked consistency of MIC.

    Source: mask modes of lhoyer/MIC seg/mmseg/models/uda/masking_consistency_module.py: ``target``
    is its ``separatetrg`` (with ``color`` its ``separatetrgaug``, synthetic to real), ``separate``
    its mode of that name (ACDC, Dark Zurich; it takes batches of two alone).

    Attributes:
        block_size: side of a block in pixels; 64 at full resolution, 32 at half.
        ratio: probability in [0, 1] that a block is dropped.
        weight: lambda_B >= 0; acts on the terms of all heads.
        color: whether images are recoloured before masking (synthetic to real).
        images: which images are masked: all of the ``target``, or the first half of the source
            images and the first half of the target images (``separate``; one of each in a batch of
            two, rounded up in others).

    Raises:
        ValueError: if ``images`` is unknown, or a value is out of range.
    """

    block_size: int = 64
    ratio: float = 0.7
    weight: float = 1.0
    color: bool = True
    images: MaskedImages = 'target'

    def __post_init__(self) -> None:
        """Check the values."""
        if self.images not in get_args(MaskedImages):
            names = get_args(MaskedImages)
            raise ValueError(f'masking.images must be one of {names}, got {self.images!r}')
        if self.block_size < 1:
            raise ValueError(f'masking.block_size must be at least 1, got {self.block_size}')
        check_not_negative(**{'masking.weight': self.weight})
        check_shares(**{'masking.ratio': self.ratio})

    def choose(
        self, views: Views, supervisions: Sequence[Supervision]
    ) -> tuple[Tensor, list[Supervision]]:
        """Return the images that are masked, and what a student shall answer on them.

        Args:
            views: the batch.
            supervisions: labels and weights of the target images, (U, H, W).

        Returns:
            (N, 3, H, W), and labels and weights (N, H, W) as many as were given; source pixels
            weigh 1 in the first and 0 in the others, so that they count once.
        """
        if self.images == 'target':
            return views.target, list(supervisions)
        num_source, num_target = ((len(part) + 1) // 2 for part in (views.source, views.target))
        images = torch.cat([views.source[:num_source], views.target[:num_target]])
        labels_source = views.labels[:num_source]
        chosen = []
        for index, (labels, weights) in enumerate(supervisions):
            weights_source = weights.new_full(labels_source.shape, float(index == 0))
            chosen.append(
                Supervision(
                    torch.cat([labels_source, labels[:num_target]]),
                    torch.cat([weights_source, weights[:num_target]]),
                )
            )
        return images, chosen
