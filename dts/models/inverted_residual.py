"""Inverted residual block with TensorFlow 'same' padding, the block of EfficientNet-Lite.

Axes: ``B`` batch, ``C`` channels, ``H W`` height and width.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's 'same' padding (before, after) of one axis of ``size`` pixels.

    The output has ceil(size / stride) pixels. An odd total puts the extra pixel after, so an even
    size at stride 2 is padded asymmetrically: (0, 1) for kernel 3, (1, 2) for kernel 5.

    Args:
        size: pixels of the axis, > 0.
        kernel_size: side of the kernel.
        stride: step of the kernel.
    """
    total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """Bias-free convolution with TensorFlow 'same' padding computed from the input size.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the square kernel.
        stride: step of the kernel in pixels.
        groups: independent groups of channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride)).

        Args:
            x: (B, C, H, W).
        """
        top, bottom = same_padding(x.shape[-2], self.kernel_size[0], self.stride[0])
        left, right = same_padding(x.shape[-1], self.kernel_size[1], self.stride[1])
        padding = (top, left)
        if top != bottom or left != right:  # a copy of the input, so only where it is needed
            x = F.pad(x, (left, right, top, bottom))
            padding = (0, 0)
        return F.conv2d(x, self.weight, None, self.stride, padding, self.dilation, self.groups)


class ConvNorm(nn.Module):
    """Convolution, normalization and (unless ``act`` is False) ReLU6.

    Args:
        conv: the convolution.
        norm_cfg: config of the normalization layer.
        act: whether ReLU6 follows.
    """

    def __init__(self, conv: SameConv2d, norm_cfg: dict[str, Any], act: bool = True) -> None:
        super().__init__()
        self.conv = conv
        self.bn = build_norm_layer(norm_cfg, conv.out_channels)[1]
        self.act = nn.ReLU6(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W').

        Args:
            x: (B, C, H, W).
        """
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class InvertedResidual(nn.Module):
    """Expand, filter per channel, project; identity shortcut where the shape is unchanged.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: of the depthwise convolution.
        stride: of the depthwise convolution.
        expansion: hidden channels per input channel; 1 leaves the expansion out.
        norm_cfg: normalization layer.
        drop_path_rate: probability in [0, 1) that a sample skips the residual branch in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int,
        expansion: int,
        norm_cfg: dict[str, Any],
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.has_shortcut = stride == 1 and in_channels == out_channels
        self.expand = (
            nn.Identity()
            if expansion == 1
            else ConvNorm(SameConv2d(in_channels, hidden, 1), norm_cfg)
        )
        self.depthwise = ConvNorm(
            SameConv2d(hidden, hidden, kernel_size, stride=stride, groups=hidden), norm_cfg
        )
        self.project = ConvNorm(SameConv2d(hidden, out_channels, 1), norm_cfg, act=False)
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride)).

        Args:
            x: (B, C, H, W).
        """
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + self.drop_path(out) if self.has_shortcut else out
