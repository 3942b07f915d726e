"""Decode head of DeepLabV2: the sum of four dilated classifiers on the last feature map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.aspp_head import ASPPModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor

from dts.registry import MODELS


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Add up the class scores of parallel 3x3 convolutions, one per dilation.

    No hidden layer, no normalization, no dropout: ``conv_seg`` itself is the pyramid, so rules by
    that name (a new number of classes, initialization from N(0, 0.01)) hold for it.

    Source: Chen et al., TPAMI 2017, section 3.2 (the variant with one layer per branch);
        reference vikolss/DACS model/deeplabv2.py, which builds four branches and, by a return
        within the loop, adds up the first two.

    Args:
        dilations: rates of the branches; DACS in effect (6, 12).
        **kwargs: as for ``BaseDecodeHead`` of MMSeg, without ``channels`` and ``dropout_ratio``.
    """

    def __init__(self, dilations: Sequence[int] = (6, 12, 18, 24), **kwargs: Any) -> None:
        super().__init__(channels=1, dropout_ratio=0, **kwargs)
        self.conv_seg = ASPPModule(
            tuple(dilations),
            self.in_channels,
            self.out_channels,
            conv_cfg=None,
            norm_cfg=None,
            act_cfg=None,
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return class scores at the size of the feature map.

        Args:
            inputs: (B, C_i, H_i, W_i) per level of the backbone.

        Returns:
            (B, K, h, w), unnormalised.
        """
        features = self._transform_inputs(inputs)
        first, *others = self.conv_seg
        scores = first(features)
        for branch in others:
            scores = scores + branch(features)
        return scores
