"""Label masks from COCO instance annotations, without compiled code.

pycocotools is not used: of it we need one function per kind of region, and the crowd regions of
the official files are uncompressed run lengths, which two lines decode. Polygons are filled by
its rule, pixel for pixel, so that masks equal those made with it.

Legend: H, W = height and width of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORE_INDEX = 255
FINE = 5  # fine steps per pixel
CENTER = 2  # fine step at the center of a pixel
MIN_COORDINATES = 6  # of three corners


def polygon_mask(polygon: Sequence[float], height: int, width: int) -> NDArray[np.bool_]:
    """Fill a polygon by the even-odd rule, as pycocotools does.

    The outline is drawn on a grid five times as fine. Where it passes the center of a column of
    pixels, the inside begins or ends at the next row center below; a pixel is inside after an
    odd number of such turns, counted down the columns from the left.

    Source: cocodataset/cocoapi common/maskApi.c, rleFrPoly.
    Deviation: none; vectorised over the outline.

    Args:
        polygon: x, y of the corners in pixels, 0 = left or upper edge of the image; at least three
            corners, the last one joined to the first.
        height: H.
        width: W.

    Returns:
        (H, W), True inside.

    Raises:
        ValueError: if these are not three or more pairs.
    """
    if len(polygon) < MIN_COORDINATES or len(polygon) % 2:
        raise ValueError(f'a polygon of {len(polygon)} numbers, expected x and y of 3 corners')
    corners = (FINE * np.asarray(polygon, np.float64) + 0.5).astype(np.int64).reshape(-1, 2)
    columns, rows = _outline(corners)
    left = np.minimum(columns[1:], columns[:-1])
    is_turn = (columns[1:] != columns[:-1]) & (left % FINE == CENTER)
    turn_columns = left[is_turn] // FINE
    upper = np.minimum(rows[1:], rows[:-1])[is_turn]
    turn_rows = np.clip(-((CENTER - upper) // FINE), 0, height)  # rounded up
    is_in_image = (turn_columns >= 0) & (turn_columns < width)
    turns = np.sort((turn_columns * height + turn_rows)[is_in_image])
    return decode_run_lengths(np.diff(turns, prepend=0, append=height * width), height, width)


def _outline(corners: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return x and y of every fine step along the closed outline, both ends of every edge."""
    ends = np.roll(corners, -1, axis=0)
    spans = np.abs(ends - corners)
    edges = np.arange(len(corners))
    major = np.where(spans[:, 0] >= spans[:, 1], 0, 1)  # the axis that moves by whole steps
    minor = 1 - major
    steps = spans[edges, major]
    is_backward = corners[edges, major] > ends[edges, major]
    low = np.where(is_backward[:, None], ends, corners)
    high = np.where(is_backward[:, None], corners, ends)
    slope = (high - low)[edges, minor] / np.maximum(steps, 1)

    edge = np.repeat(edges, steps + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - (steps + 1), steps + 1)
    step = np.where(is_backward[edge], steps[edge] - step, step)
    points = np.empty((len(edge), 2), np.int64)
    points[np.arange(len(edge)), major[edge]] = low[edge, major[edge]] + step
    along_minor = low[edge, minor[edge]] + slope[edge] * step + 0.5
    points[np.arange(len(edge)), minor[edge]] = along_minor.astype(np.int64)
    return points[:, 0], points[:, 1]


def decode_run_lengths(
    counts: Sequence[int] | NDArray[np.int64], height: int, width: int
) -> NDArray[np.bool_]:
    """Decode uncompressed run lengths: pixels outside, inside, outside, ... down the columns.

    Args:
        counts: lengths of the runs.
        height: H.
        width: W.

    Returns:
        (H, W), True inside.

    Raises:
        ValueError: if the runs are compressed text or do not fill the image.

    Example:
        >>> decode_run_lengths([1, 3, 2], height=2, width=3).tolist()
        [[False, True, False], [True, True, False]]
    """
    if isinstance(counts, str | bytes):
        raise ValueError(
            'compressed run lengths; the official instances_*2017.json holds lists of numbers: '
            'fetch it again'
        )
    if np.sum(counts) != height * width:
        raise ValueError(f'runs of {np.sum(counts)} pixels, the image has {height * width}')
    is_inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return is_inside.reshape(width, height).T


def region_mask(
    segmentation: Sequence[Sequence[float]] | Mapping[str, Any], height: int, width: int
) -> NDArray[np.bool_]:
    """Return the pixels of an annotation: the union of its polygons, or its decoded run lengths.

    Args:
        segmentation: entry ``segmentation`` of an annotation.
        height: H.
        width: W.

    Returns:
        (H, W), True inside.

    Raises:
        ValueError: if it is neither, or of another size than the image.
    """
    if isinstance(segmentation, Mapping):
        if list(segmentation['size']) != [height, width]:
            raise ValueError(
                f'run lengths for height and width {segmentation["size"]}, the image has '
                f'{[height, width]}'
            )
        return decode_run_lengths(segmentation['counts'], height, width)
    mask = np.zeros((height, width), np.bool_)
    for polygon in segmentation:
        mask |= polygon_mask(polygon, height, width)
    return mask


def render_labels(
    annotations: Sequence[Mapping[str, Any]],
    class_of: Mapping[int, int],
    height: int,
    width: int,
) -> NDArray[np.uint8]:
    """Draw all annotations of an image into one label mask.

    0 = background. Where objects overlap, the one of fewer pixels lies on top (a cup on a
    table), the later one among equals. A crowd region is 255 = ignore except where an object
    lies on it: its outline is coarse and covers other things, so neither its class nor
    background would be right.

    Args:
        annotations: of one image, with ``category_id``, ``iscrowd`` and ``segmentation``.
        class_of: category id -> class index, in [1, 254].
        height: H.
        width: W.

    Returns:
        (H, W).

    Raises:
        ValueError: if an annotation cannot be drawn; names its id.
    """
    labels = np.zeros((height, width), np.uint8)
    objects = []
    for annotation in annotations:
        try:
            mask = region_mask(annotation['segmentation'], height, width)
            index = class_of[annotation['category_id']]
        except (KeyError, TypeError, ValueError) as error:
            reason = f'no entry {error}' if isinstance(error, KeyError) else error
            raise ValueError(f'annotation {annotation.get("id")}: {reason}') from error
        if annotation.get('iscrowd'):
            labels[mask] = IGNORE_INDEX
        else:
            objects.append((mask, index))
    for mask, index in sorted(objects, key=lambda pair: -int(pair[0].sum())):
        labels[mask] = index
    return labels
