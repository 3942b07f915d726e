"""Sub-networks of a student for implicit consistency: some residual branches are left out.

The draw acts inside a ``with`` block only and changes no weight; outside of it, and in eval mode,
the student is its full self.

Source: Na et al., NeurIPS 2023 (the student's stochastic depth as an implicit ensemble);
``stage_skip``: LlistenL/MLPMatch (arXiv 2411.05307).
Deviation: the code of Dual Teacher has no step of its own for this: its student's drop-path acts in
every forward. ``block_skip`` is ours: the same rule for networks without drop-path.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from dts.models.residual import residual_stages

SubNetworkKind = Literal['drop_path', 'block_skip', 'stage_skip', 'none']


class SubNetwork:
    """Draws a sub-network of a backbone for the length of a ``with`` block.

    - ``drop_path``: the drop-path layers that the backbone has (Transformers, ConvNeXt) get rates
      that rise linearly over the blocks from 0 to ``rate``, whatever their training rates are; one
      draw per sample, kept branches scaled by 1 / (1 - rate).
    - ``block_skip``: the same rule on the residual branches of ResNet and inverted-residual blocks;
      a block that changes the shape keeps its projection shortcut.
    - ``stage_skip``: one draw per stage; with probability ``rate`` every residual branch of the
      stage is bypassed, the first block keeps its projection, nothing is scaled.
    - ``none``: the full network.

    Draws of ``stage_skip`` decide which layers run, so they must be equal on all ranks (with SyncBN
    the collectives would wait for each other): they come from Python's ``random``, which
    ``dts.StepSeedHook`` seeds equally on every rank.

    Args:
        kind: what is left out.
        rate: probability in [0, 1) of the last block (``stage_skip``: of every stage).

    Raises:
        ValueError: if ``kind`` is unknown or ``rate`` is out of range.
    """

    def __init__(self, kind: SubNetworkKind = 'none', rate: float = 0.1) -> None:
        if kind not in get_args(SubNetworkKind):
            raise ValueError(
                f'kind of a sub-network must be one of {get_args(SubNetworkKind)}, got {kind!r}'
            )
        if not 0.0 <= rate < 1.0:
            raise ValueError(f'rate of a sub-network must be in [0, 1), got {rate}')
        self.kind = kind
        self.rate = rate

    @contextmanager
    def drawn(self, segmentor: EncoderDecoder) -> Iterator[None]:
        """Turn the student into one of its sub-networks inside the ``with`` block.

        Args:
            segmentor: the student, with a ``backbone``.

        Raises:
            ValueError: if the backbone has no branch of the kind, or saves memory by a second
                forward, which ``stage_skip`` alone stands.
        """
        with ExitStack() as restored:
            if self.kind != 'none' and segmentor.training:
                enter: Callable[[nn.Module, ExitStack], None] = getattr(self, f'_{self.kind}')
                enter(segmentor.backbone, restored)
            yield

    def _drop_path(self, backbone: nn.Module, restored: ExitStack) -> None:
        """Set the rates of the backbone's drop-path layers."""
        layers = drop_path_layers(backbone)
        if not layers:
            raise ValueError(
                f"sub-network kind 'drop_path': {type(backbone).__name__} has no drop-path layer; "
                "use 'block_skip' for residual CNNs, or build the backbone with a drop_path_rate"
            )
        _check_single_forward(backbone)
        last = max(len(layers) - 1, 1)
        for index, block in enumerate(layers):
            for layer in block:
                restored.callback(setattr, layer, 'drop_prob', layer.drop_prob)
                layer.drop_prob = self.rate * index / last

    def _block_skip(self, backbone: nn.Module, restored: ExitStack) -> None:
        """Drop residual branches by hooks on their last layers."""
        blocks = [block for stage in residual_stages(backbone) for block in stage]
        _check_single_forward(backbone)
        last = max(len(blocks) - 1, 1)
        for index, block in enumerate(blocks):
            if block.branch_end is not None:
                hook = _dropper(self.rate * index / last)
                restored.callback(block.branch_end.register_forward_hook(hook).remove)

    def _stage_skip(self, backbone: nn.Module, restored: ExitStack) -> None:
        """Replace the forward of every block of the drawn stages by its shortcut."""
        for stage in residual_stages(backbone):
            if random.random() < self.rate:
                for block in stage:
                    if block.shortcut is not None:
                        # An instance attribute hides the method of the class until it is deleted.
                        block.module.forward = block.shortcut
                        restored.callback(delattr, block.module, 'forward')


def drop_path_layers(backbone: nn.Module) -> list[list[Any]]:
    """Return the drop-path layers of a backbone, block by block.

    A block is what the last number in the name of a layer counts:
    ``layers.0.1.2.ffn.dropout_layer`` belongs to ``layers.0.1.2``. Drop-path of mmcv and timm is
    known by its class name and its ``drop_prob``.

    Args:
        backbone: the network.

    Returns:
        One list of layers per block, in order of depth; empty if there is none.
    """
    blocks: dict[str, list[Any]] = {}
    for name, module in backbone.named_modules():
        if type(module).__name__ == 'DropPath' and hasattr(module, 'drop_prob'):
            parts = name.split('.')
            end = max((i for i, part in enumerate(parts) if part.isdigit()), default=-1)
            blocks.setdefault('.'.join(parts[: end + 1]), []).append(module)
    return list(blocks.values())


def _check_single_forward(backbone: nn.Module) -> None:
    """Refuse a backbone whose backward pass runs its blocks again, by then as the full network."""
    if any(getattr(module, 'with_cp', False) for module in backbone.modules()):
        raise ValueError(
            f'{type(backbone).__name__} recomputes its blocks in the backward pass, after the '
            'sub-network is gone, and the gradient would be that of another network: set '
            "with_cp=False in the backbone, or model.sub_network to 'stage_skip' or 'none'"
        )


def _dropper(rate: float) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    """Return a forward hook that drops the output of samples with probability ``rate``."""

    def drop(module: nn.Module, args: tuple[Tensor, ...], branch: Tensor) -> Tensor:
        kept = torch.rand(len(branch), 1, 1, 1, device=branch.device) >= rate
        return branch * (kept.to(branch.dtype) / (1.0 - rate))

    return drop
