"""Taps: what a module of a stock segmentor returns, recorded during one forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from dts.segmentor import OwnScores

LOGITS = 'decode_head.conv_seg'


@dataclass(frozen=True)
class Tap:
    """A place in a network.

    Attributes:
        path: dotted name of a module. ``decode_head.conv_seg`` is the class scores after dropout
            and before upsampling, of a cascade ``decode_head.1.conv_seg``.
        index: which of several outputs of the module, such as a level of ``backbone``; None for a
            module with one output.
    """

    path: str = LOGITS
    index: int | None = None

    def __str__(self) -> str:
        return self.path if self.index is None else f'{self.path}[{self.index}]'


def check_tap(segmentor: nn.Module, tap: Tap, role: str) -> None:
    """Refuse a tap that a network cannot have.

    Args:
        segmentor: the network.
        tap: the tap.
        role: which network it is, in the error.

    Raises:
        ValueError: if it has no such module, or is no network that taps are for.
    """
    if isinstance(segmentor, OwnScores) or not isinstance(segmentor, EncoderDecoder):
        raise ValueError(
            f'{role} is a {type(segmentor).__name__}, which runs its parts more than once per '
            'image or is no EncoderDecoder of MMSeg: it cannot be tapped'
        )
    for head in heads_of(segmentor, 'decode_head'):
        if not isinstance(head, BaseDecodeHead):
            raise ValueError(
                f'{role} has a {type(head).__name__}, which classifies masks and not pixels: '
                'distillation is for per-pixel heads (FCN, PSP, ASPP, UPer, SegFormer, OCR, ...)'
            )
    names = [name for name, _ in segmentor.named_modules() if name]
    if tap.path not in names:
        near = get_close_matches(tap.path, names, n=5, cutoff=0.4)
        raise ValueError(
            f'{role} has no module {tap.path!r} to tap; names near it: {", ".join(near) or "none"}'
            f'; its parts: {", ".join(name for name, _ in segmentor.named_children())}'
        )


def heads_of(segmentor: EncoderDecoder, part: str) -> list[Any]:
    """Return the heads of a segmentor.

    Args:
        segmentor: an ``EncoderDecoder`` of MMSeg, cascades included.
        part: ``decode_head`` or ``auxiliary_head``.

    Returns:
        One head, the stages of a cascade, or none.
    """
    head = getattr(segmentor, part, None)
    if head is None:
        return []
    return list(head) if isinstance(head, nn.ModuleList) else [head]


@contextmanager
def record(segmentor: nn.Module, taps: Sequence[Tap]) -> Iterator[dict[Tap, Tensor]]:
    """Record tapped outputs while the body runs the network once.

    Nothing stays behind: hooks are removed at the end, and what was recorded, with its graph, lives
    as long as the dictionary does.

    Args:
        segmentor: the network.
        taps: where; a tap that is listed twice is recorded once.

    Yields:
        Tap -> output; filled when the body has ended.

    Raises:
        ValueError: if a tap did not fire exactly once (a network may run a module for every level
            or window); its output is no tensor, was changed in place by a later module, or carries
            no gradient although gradients are asked for.
    """
    outputs: dict[str, list[Any]] = {tap.path: [] for tap in taps}
    versions: dict[str, int] = {}
    maps: dict[Tap, Tensor] = {}

    def keep(path: str, output: Any) -> None:
        outputs[path].append(output)
        for tap in taps:
            if tap.path == path:
                maps[tap] = _select(output, tap)
                versions[str(tap)] = maps[tap]._version

    handles = [
        segmentor.get_submodule(path).register_forward_hook(
            lambda _module, _inputs, output, path=path: keep(path, output)
        )
        for path in outputs
    ]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
    for tap in taps:
        count = len(outputs[tap.path])
        if count != 1:
            raise ValueError(
                f'the tap {tap} fired {count} times in one forward of {type(segmentor).__name__}, '
                'it must fire once: '
                + (
                    'the network does not run this module, or calls a part of it directly'
                    if count == 0
                    else 'the network runs this module for several levels or windows'
                )
            )
        if torch.is_grad_enabled() and not maps[tap].requires_grad:
            raise ValueError(
                f'the output of the tap {tap} carries no gradient: what is before it is frozen, or '
                'it lies inside a part that saves memory by a second forward (with_cp=True)'
            )
        if maps[tap]._version != versions[str(tap)]:
            raise ValueError(
                f'the output of the tap {tap} was changed in place by a later module (an '
                'activation with inplace=True, a residual sum): tap the block around it'
            )


def run_tapped(segmentor: EncoderDecoder, images: Tensor, taps: Sequence[Tap]) -> None:
    """Run the parts of a network that hold taps, and no upsampling of scores.

    Args:
        segmentor: an ``EncoderDecoder`` of MMSeg, cascades included.
        images: (B, 3, H, W), normalised as its data preprocessor does.
        taps: what ``record`` records meanwhile.
    """
    features = segmentor.extract_feat(images)
    parts = {tap.path.partition('.')[0] for tap in taps}
    if 'decode_head' in parts:
        scores: tuple[Tensor, ...] = ()
        for head in heads_of(segmentor, 'decode_head'):
            scores = (head(features, *scores),)
    if 'auxiliary_head' in parts:
        for head in heads_of(segmentor, 'auxiliary_head'):
            head(features)


def _select(output: Any, tap: Tap) -> Tensor:
    """Return the tensor of a tap."""
    if tap.index is not None:
        if not isinstance(output, list | tuple) or not -len(output) <= tap.index < len(output):
            count = f'{len(output)} outputs' if isinstance(output, list | tuple) else 'one output'
            raise ValueError(f'the tap {tap} asks for output {tap.index}, {tap.path} has {count}')
        output = output[tap.index]
    if not isinstance(output, Tensor):
        count = f' of {len(output)}' if isinstance(output, list | tuple) else ''
        raise ValueError(
            f'the tap {tap} gives a {type(output).__name__}{count}, not a map: name one with '
            'student_index or teacher_index'
        )
    return output
