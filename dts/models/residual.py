"""Where the residual branches of a backbone are, for the families that MMSeg and we build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mmseg.models.backbones.mobilenet_v2 import InvertedResidual as MobileNetBlock
from mmseg.models.backbones.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from dts.models.inverted_residual import InvertedResidual

BLOCK_TYPES = (BasicBlock, Bottleneck, InvertedResidual, MobileNetBlock)


class ResidualBlock(NamedTuple):
    """One block that computes ``act(shortcut(x) + branch(x))``.

    Attributes:
        module: the block.
        branch_end: the layer whose output is the branch's; None for a block without a shortcut,
            which cannot be left out.
        shortcut: what remains of the block when the branch is left out; None likewise.
    """

    module: nn.Module
    branch_end: nn.Module | None
    shortcut: Callable[[Tensor], Tensor] | None


def residual_stages(backbone: nn.Module) -> list[list[ResidualBlock]]:
    """Return the residual blocks of a backbone, grouped by stage, in order of depth.

    A stage is the container that holds the blocks (``layer1``, ``levels.0``, ...).

    Args:
        backbone: ResNet, ResNetV1c, ResNeXt, MobileNetV2 of MMSeg, or EfficientNet-Lite.

    Returns:
        One list per stage.

    Raises:
        ValueError: if there is no block of a known type.
    """
    stages: dict[str, list[ResidualBlock]] = {}
    for name, module in backbone.named_modules():
        if isinstance(module, BLOCK_TYPES):
            stages.setdefault(name.rpartition('.')[0], []).append(_describe(module))
    if not stages:
        known = sorted({block.__name__ for block in BLOCK_TYPES})
        raise ValueError(
            f'{type(backbone).__name__} has no residual block of a known type '
            f"({', '.join(known)}); use the sub-network kind 'drop_path' for Transformers, or "
            "'none'"
        )
    return list(stages.values())


def _describe(block: Any) -> ResidualBlock:
    """Return where the branch of one block ends and what its shortcut is."""
    if isinstance(block, InvertedResidual):
        if not block.has_shortcut:
            return ResidualBlock(block, None, None)
        return ResidualBlock(block, block.project, _identity)
    if isinstance(block, MobileNetBlock):
        if not block.use_res_connect:
            return ResidualBlock(block, None, None)
        return ResidualBlock(block, block.conv, _identity)
    end = block.norm3 if isinstance(block, Bottleneck) else block.norm2

    def projected(x: Tensor) -> Tensor:
        out: Tensor = block.relu(x.clone() if block.downsample is None else block.downsample(x))
        return out

    return ResidualBlock(block, end, projected)


def _identity(x: Tensor) -> Tensor:
    """Return the input."""
    return x
