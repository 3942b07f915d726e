"""Several segmentors that answer together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.utils import SampleList
from torch import Tensor, nn

MEAN = 'mean'  # name of the network that answers for all students of a method


class MeanSegmentor(EncoderDecoder):
    """Predict from the mean of the logits of several segmentors, for evaluation only.

    It shares their parameters, holds none of its own and is part of no method. Windows, scales and
    the preprocessing are those of the first.

    Args:
        segmentors: segmentors of one configuration.
    """

    def __init__(self, segmentors: Sequence[EncoderDecoder]) -> None:
        first = segmentors[0]
        BaseSegmentor.__init__(self, data_preprocessor=first.data_preprocessor)
        self.segmentors = nn.ModuleList(segmentors)
        self.test_cfg = first.test_cfg
        self.align_corners = first.align_corners
        self.num_classes = first.num_classes
        self.out_channels = first.out_channels

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return the mean of the logits.

        Args:
            inputs: (B, 3, H, W), normalised.
            batch_img_metas: as MMSeg passes them.

        Returns:
            (B, K, H, W).
        """
        networks: Any = self.segmentors
        logits = [network.encode_decode(inputs, batch_img_metas) for network in networks]
        return sum(logits[1:], start=logits[0]) / len(logits)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Refuse: the segmentors are trained where they belong.

        Args:
            inputs: not used.
            data_samples: not used.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError('MeanSegmentor only predicts')
