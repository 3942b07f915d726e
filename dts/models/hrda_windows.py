"""Windows of HRDA: where they lie, how their scores are merged and fused with the context.

Axes: ``B`` batch, ``K`` classes, ``H W`` height and width of the scores of the detail, ``h w`` of
the context: H = 2 h, W = 2 w.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch.nn.functional as F
from mmseg.models.utils import resize
from torch import Tensor

from dts.segmentor import Box

FACTOR = 2  # the context is seen at half of the size of the detail


def slide_boxes(size: Sequence[int], window: Sequence[int]) -> list[Box]:
    """Return the windows that cover an image, half a window apart; the last ones end at the border.

    Source: Hoyer et al. (HRDA), ECCV 2022; reference lhoyer/HRDA
        mmseg/models/segmentors/hrda_encoder_decoder.py.

    Args:
        size: height and width of the image.
        window: height and width of the windows; cut to the image if larger.

    Returns:
        Boxes, row by row: 9 for an image of 1024x1024 and windows of 512x512.
    """
    heights, widths = (
        _intervals(extent, min(length, extent)) for extent, length in zip(size, window, strict=True)
    )
    return [Box(*rows, *columns) for rows in heights for columns in widths]


def _intervals(extent: int, length: int) -> list[tuple[int, int]]:
    """Return the intervals of one axis."""
    stride = max(length // 2, 1)
    starts = [*range(0, extent - length, stride), extent - length]
    return [(start, start + length) for start in starts]


def draw_box(
    size: Sequence[int], window: Sequence[int], multiple: int, *, include_last: bool = True
) -> Box:
    """Draw a window whose corner is a multiple of ``multiple``, uniformly.

    The draw comes from Python's ``random``: slices need numbers on the host, which a draw on the
    device would have to wait for, and ``dts.StepSeedHook`` seeds it alike on all ranks, so that all
    images of a step share the window however many processes they are spread over.

    Source: as ``slide_boxes``.
    Deviation: the release never draws the last corner; ``include_last=False`` does as it does.

    Args:
        size: height and width of the image, multiples of ``multiple``.
        window: height and width of the window, likewise; cut to the image if larger.
        multiple: distance of neighbouring corners.
        include_last: whether the window may touch the lower and the right border.

    Returns:
        The window.
    """
    edges = []
    for extent, wanted in zip(size, window, strict=True):
        length = min(wanted, extent)
        num_corners = (extent - length) // multiple + 1
        if not include_last:
            num_corners = max(num_corners - 1, 1)
        start = random.randrange(num_corners) * multiple
        edges += [start, start + length]
    return Box(*edges)


def shrink(box: Box, divisor: int) -> Box:
    """Return the box in coordinates of a map that is ``divisor`` times smaller.

    Args:
        box: edges are multiples of ``divisor``.
        divisor: >= 1.
    """
    return Box(*(edge // divisor for edge in box))


def average_windows(logits: Sequence[Tensor], boxes: Sequence[Box]) -> Tensor:
    """Merge the scores of overlapping windows into one map: every pixel gets their mean.

    Args:
        logits: (B, K, height, width) per window.
        boxes: where they lie on the map, which ends at the largest edges; all of it is covered.

    Returns:
        (B, K, H, W).
    """
    height, width = max(box.bottom for box in boxes), max(box.right for box in boxes)
    total = logits[0].new_zeros(*logits[0].shape[:2], height, width)
    count = total.new_zeros(height, width)
    for window, box in zip(logits, boxes, strict=True):
        box.of(total).add_(window)
        box.of(count).add_(1)
    return total / count


def fuse(
    context: Tensor,
    attention: Tensor,
    detail: Tensor,
    box: Box | None = None,
    align_corners: bool = False,
) -> Tensor:
    """Trust the detail as far as the scale attention says, the context otherwise.

        F = up2((1 - a) C) + up2(a) D,   a = 0 and D = 0 outside of the window

    Source: Hoyer et al. (HRDA), ECCV 2022; reference lhoyer/HRDA
        mmseg/models/decode_heads/hrda_head.py.

    Args:
        context: C, (B, K, h, w) scores of the image at half size.
        attention: a, (B, K, h, w) in [0, 1].
        detail: D, scores of the window, (B, K, H, W) without a ``box``, of its size with one.
        box: the window on the map of H x W, even edges; None: all of the image.
        align_corners: as in ``torch.nn.functional.interpolate``.

    Returns:
        (B, K, H, W).
    """
    height, width = (FACTOR * extent for extent in context.shape[-2:])
    if box is not None:
        inner = shrink(box, FACTOR)
        attention = _place(inner.of(attention), inner, context.shape[-2:])
        detail = _place(detail, box, (height, width))
    kept, attention = (
        resize(small, size=(height, width), mode='bilinear', align_corners=align_corners)
        for small in ((1 - attention) * context, attention)
    )
    return kept + attention * detail


def _place(window: Tensor, box: Box, size: Sequence[int]) -> Tensor:
    """Return a map of zeros with the window where it lies."""
    return F.pad(window, (box.left, size[1] - box.right, box.top, size[0] - box.bottom))
