"""EfficientNet-Lite backbone, the encoder of our CPU-scale models.

Axes: ``B`` batch, ``C`` channels, ``H W`` height and width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dts.models.inverted_residual import ConvNorm, InvertedResidual, SameConv2d
from dts.registry import MODELS

# width and depth multiplier of each family member
ARCHITECTURES: dict[str, tuple[float, float]] = {
    'lite0': (1.0, 1.0),
    'lite1': (1.0, 1.1),
    'lite2': (1.1, 1.2),
    'lite3': (1.2, 1.4),
    'lite4': (1.4, 1.8),
}
# the seven stages of lite0: blocks, kernel size, stride, expansion, output channels
STAGES: tuple[tuple[int, int, int, int, int], ...] = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# index of the last stage at each resolution: strides 4, 8, 16, 32
LEVEL_ENDS = (1, 2, 4, 6)
STEM_CHANNELS = 32  # not scaled by the width multiplier, unlike EfficientNet-B
# TensorFlow's 0.99 of the old statistics is 0.01 of the new ones in PyTorch's convention
NORM_DEFAULTS = {'momentum': 0.01, 'eps': 1e-3}


def scale_channels(channels: int, width: float) -> int:
    """Return ``channels * width`` rounded to a multiple of 8, never below 90 % of the product.

    Args:
        channels: channels of lite0.
        width: factor > 0.
    """
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def scale_depth(num_blocks: int, depth: float) -> int:
    """Return ``num_blocks * depth`` rounded up.

    Args:
        num_blocks: blocks of lite0.
        depth: factor > 0.
    """
    return math.ceil(num_blocks * depth)


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite encoder returning features at strides 4, 8, 16 and 32.

    EfficientNet without squeeze-and-excitation and with ReLU6, so that it runs fast on CPUs. The
    classifier's last 1x1 convolution is not part of it. ImageNet weights come from
    ``init_cfg=dict(type='dts.EfficientNetLiteWeights')``; they expect RGB input scaled as
    (x - 127.5) / 127.5.

    Source: Tan and Le, ICML 2019; reference tensorflow/tpu
        models/official/efficientnet/lite/efficientnet_lite_builder.py.
    Deviation: without pretrained weights, convolutions start from N(0, 2 / fan_in); the reference
        uses 2 / fan_out for all but depthwise ones, where both are equal.

    Args:
        arch: 'lite0' (24/40/112/320 channels), 'lite1', 'lite2', 'lite3' or 'lite4'.
        out_indices: levels to return, 0 to 3 for strides 4 to 32.
        frozen_stages: -1 trains everything, 0 freezes the stem, k the stem and the first k levels
            (parameters and batch statistics).
        norm_eval: keeps all batch normalization on its running statistics in training.
        norm_cfg: ``BN`` or ``SyncBN``; momentum 0.01 (share of the new batch) and eps 1e-3 unless
            given, as the pretrained weights need them.
        drop_path_rate: in [0, 1), rate at the last block; rises linearly from 0 at the first.
        in_channels: channels of the images, >= 1. Pretrained weights are of 3; a label-assisted
            segmentor starts from 3 and widens the stem itself, and its checkpoints open here with
            4 (or 3 + K + 1 for one-hot codes).
        init_cfg: initializer; by default random weights.

    Raises:
        ValueError: for an unknown ``arch``, a level outside 0 to 3, a rate outside [0, 1) or no
            channel.

    Example:
        >>> import torch
        >>> features = EfficientNetLite('lite0')(torch.zeros(1, 3, 65, 96))
        >>> [tuple(feature.shape[1:]) for feature in features]
        [(24, 17, 24), (40, 9, 12), (112, 5, 6), (320, 3, 3)]
    """

    def __init__(
        self,
        arch: str = 'lite0',
        out_indices: Sequence[int] = (0, 1, 2, 3),
        *,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict[str, Any] | None = None,
        drop_path_rate: float = 0.0,
        in_channels: int = 3,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        _check_arguments(arch, out_indices, frozen_stages, drop_path_rate, in_channels)
        super().__init__(init_cfg or _random_init_cfg())
        self.arch = arch
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        norm_cfg = {**NORM_DEFAULTS, **(norm_cfg or {'type': 'BN'})}
        self.stem = ConvNorm(SameConv2d(in_channels, STEM_CHANNELS, 3, stride=2), norm_cfg)
        self.levels = self._make_levels(norm_cfg, drop_path_rate)
        self._freeze()

    def _make_levels(self, norm_cfg: dict[str, Any], drop_path_rate: float) -> nn.ModuleList:
        """Build all blocks, grouped by the resolution of their output."""
        width, depth = ARCHITECTURES[self.arch]
        # the first and the last stage keep their number of blocks in every family member
        repeats = [scale_depth(stage[0], depth) for stage in STAGES]
        repeats[0], repeats[-1] = STAGES[0][0], STAGES[-1][0]
        levels, blocks = nn.ModuleList(), list[nn.Module]()
        in_channels, num_built = STEM_CHANNELS, 0
        for index, (_, kernel_size, stride, expansion, channels) in enumerate(STAGES):
            out_channels = scale_channels(channels, width)
            for position in range(repeats[index]):
                blocks.append(
                    InvertedResidual(
                        in_channels,
                        out_channels,
                        kernel_size=kernel_size,
                        stride=stride if position == 0 else 1,
                        expansion=expansion,
                        norm_cfg=norm_cfg,
                        drop_path_rate=drop_path_rate * num_built / (sum(repeats) - 1),
                    )
                )
                in_channels, num_built = out_channels, num_built + 1
            if index in LEVEL_ENDS:
                levels.append(nn.Sequential(*blocks))
                blocks = []
        return levels

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images to one feature map (B, C, ceil(H / s), ceil(W / s)) per level.

        Args:
            x: images (B, in_channels, H, W), normalised.
        """
        x = self.stem(x)
        features = []
        for index, level in enumerate(self.levels):
            x = level(x)
            if index in self.out_indices:
                features.append(x)
        return tuple(features)

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Switch mode; frozen parts and, with ``norm_eval``, all normalization stay in eval.

        Args:
            mode: True for training.
        """
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        """Lock the stem and the first levels, as ``frozen_stages`` says."""
        if self.frozen_stages < 0:
            return
        for module in (self.stem, *self.levels[: self.frozen_stages]):
            module.eval()
            module.requires_grad_(False)


def _check_arguments(
    arch: str,
    out_indices: Sequence[int],
    frozen_stages: int,
    drop_path_rate: float,
    in_channels: int,
) -> None:
    """Raise ValueError for what the constructor's docstring forbids."""
    if arch not in ARCHITECTURES:
        raise ValueError(f'arch must be one of {sorted(ARCHITECTURES)}, got {arch!r}')
    num_levels = len(LEVEL_ENDS)
    if not out_indices or any(index not in range(num_levels) for index in out_indices):
        raise ValueError(f'out_indices must lie in 0 to {num_levels - 1}, got {out_indices}')
    if frozen_stages not in range(-1, num_levels + 1):
        raise ValueError(f'frozen_stages must lie in -1 to {num_levels}, got {frozen_stages}')
    if not 0 <= drop_path_rate < 1:
        raise ValueError(f'drop_path_rate must lie in [0, 1), got {drop_path_rate}')
    if in_channels < 1:
        raise ValueError(f'in_channels must be at least 1, got {in_channels}')


def _random_init_cfg() -> list[dict[str, Any]]:
    """Initializers that keep the variance of activations from layer to layer."""
    return [
        {'type': 'Kaiming', 'layer': 'Conv2d', 'mode': 'fan_in'},
        {'type': 'Constant', 'layer': '_BatchNorm', 'val': 1, 'bias': 0},
    ]
