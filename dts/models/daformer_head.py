"""Decode head of DAFormer: features of all levels, fused with context of several sizes.

Axes: ``B`` batch, ``C`` channels, ``K`` classes, ``H W`` height and width of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPModule
from mmseg.models.utils import resize
from torch import Tensor, nn

from dts.registry import MODELS


class ContextFusion(nn.Module):
    """Depthwise-separable atrous pyramid without image pooling, then a 3x3 convolution.

    Args:
        in_channels: channels of the stacked levels.
        channels: channels of every branch and of the result.
        dilations: dilation of every branch; 1 is a 1x1 convolution.
        norm_cfg: normalization of all convolutions.
        act_cfg: their activation.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        dilations: Sequence[int],
        norm_cfg: dict[str, Any] | None,
        act_cfg: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        self.aspp_modules = DepthwiseSeparableASPPModule(
            dilations=tuple(dilations),
            in_channels=in_channels,
            channels=channels,
            conv_cfg=None,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.bottleneck = ConvModule(
            len(dilations) * channels,
            channels,
            3,
            padding=1,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, channels, h, w).

        Args:
            x: the stacked levels.
        """
        return self.bottleneck(torch.cat(self.aspp_modules(x), dim=1))


@MODELS.register_module()
class DAFormerHead(BaseDecodeHead):
    """Embed every level linearly, bring all to the size of the first, fuse, and classify.

    Without context (``dilations=()``) it is the head of SegFormer but for the embedding, and the
    lighter copy that gives HRDA its scale attention.

    Source: Hoyer et al., CVPR 2022, section 3.2; reference lhoyer/DAFormer
        mmseg/models/decode_heads/daformer_head.py with configs/_base_/models/
        daformer_sepaspp_mitb5.py.
    Deviation: embeddings are 1x1 convolutions (there: linear layers on flattened pixels), which
        keeps the layout of the memory.

    Args:
        dilations: rates of the branches of the context; empty fuses by one 1x1 convolution.
        **kwargs: as for ``BaseDecodeHead`` of MMSeg; ``in_channels`` and ``in_index`` with one
            entry per level, ``channels`` for the embedding of a level and for the fused features.
    """

    def __init__(self, dilations: Sequence[int] = (1, 6, 12, 18), **kwargs: Any) -> None:
        super().__init__(input_transform='multiple_select', **kwargs)
        self.embed_layers = nn.ModuleList(
            nn.Conv2d(channels, self.channels, 1) for channels in self.in_channels
        )
        stacked = len(self.in_channels) * self.channels
        styles = {'norm_cfg': self.norm_cfg, 'act_cfg': self.act_cfg}
        if dilations:
            self.fuse_layer = ContextFusion(stacked, self.channels, dilations, **styles)
        else:
            self.fuse_layer = ConvModule(stacked, self.channels, 1, **styles)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return class scores at the size of the first level.

        Args:
            inputs: (B, C_i, H_i, W_i) per level of the backbone.

        Returns:
            (B, K, H_0, W_0), unnormalised.
        """
        levels = self._transform_inputs(inputs)
        size = levels[0].shape[2:]
        embedded = [
            resize(embed(level), size=size, mode='bilinear', align_corners=self.align_corners)
            for embed, level in zip(self.embed_layers, levels, strict=True)
        ]
        return self.cls_seg(self.fuse_layer(torch.cat(embedded, dim=1)))
