"""Pictures of one image under the networks of a run, small enough for a report."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from dts.evaluation.predictions import overlay
from dts.report.blocks import Cell
from dts.report.predict import IGNORE_INDEX, ImageMaps

MAX_WIDTH = 480
JPEG_QUALITY = 85
Image = NDArray[np.uint8]
# RGB; from the palette of the charts, told apart by brightness too.
RIGHT, WRONG = (232, 232, 232), (64, 64, 64)
ONLY_FIRST, ONLY_SECOND, NO_LABEL = (0, 114, 178), (230, 159, 0), (255, 255, 255)


def draw_cells(maps: ImageMaps, palette: Image, pair: tuple[str, str] | None) -> list[Cell]:
    """Draw image, label, every prediction, where two networks differ, and confidence.

    Args:
        maps: image and predictions.
        palette: (K, 3) uint8, RGB.
        pair: the two networks whose errors are compared; None shows those of the first one.

    Returns:
        The pictures, at most ``MAX_WIDTH`` wide.
    """
    image = _shrink(maps.image, cv2.INTER_AREA)
    first = next(iter(maps.predictions))
    compared = pair or (first, first)
    errors = error_map(maps.labels, *(maps.predictions[name] for name in compared))
    what = f'{pair[0]} / {pair[1]}' if pair else first
    cells = [Cell('image', _jpeg(image)), _tinted('label', image, maps.labels, palette)]
    for name, prediction in maps.predictions.items():
        cells.append(_tinted(name, image, prediction, palette))
    cells.append(Cell(f'difference: {what}', _png(_shrink(errors, cv2.INTER_NEAREST))))
    confidence = _shrink(confidence_map(maps.confidences[compared[0]]), cv2.INTER_AREA)
    cells.append(Cell(f'confidence: {compared[0]}', _jpeg(confidence)))
    return cells


def error_map(
    labels: NDArray[np.uint8], first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> Image:
    """Color pixels by which of two predictions is right.

    Args:
        labels: (H, W), 255 where there is none.
        first: (H, W) classes.
        second: (H, W) classes; the same as ``first`` to show its errors alone.

    Returns:
        (H, W, 3) uint8, BGR: both right, both wrong, or one of them right; white without a label.
    """
    colors = np.array([WRONG, ONLY_SECOND, ONLY_FIRST, RIGHT, NO_LABEL], dtype=np.uint8)
    codes = 2 * (first == labels) + (second == labels)
    codes[labels == IGNORE_INDEX] = 4
    return colors[codes][..., ::-1]


def confidence_map(confidence: NDArray[np.float32]) -> Image:
    """Turn probabilities into brightness, black at 0, white at 1.

    Args:
        confidence: (H, W) in [0, 1].

    Returns:
        (H, W, 3) uint8, BGR.
    """
    grey = np.rint(confidence * 255).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def differing_share(maps: ImageMaps, pair: tuple[str, str]) -> float:
    """Return the share of pixels to which two networks give different classes.

    Args:
        maps: predictions.
        pair: names of the networks.

    Returns:
        In [0, 1], over all pixels, labelled or not.
    """
    first, second = (maps.predictions[name] for name in pair)
    return float(np.mean(first != second))


def compared_pair(networks: Mapping[str, object]) -> tuple[str, str] | None:
    """Return which two networks are compared: the student and the first teacher.

    Args:
        networks: by name, the product first.

    Returns:
        The names; the first two networks where none is so called, None for a single one.
    """
    names = list(networks)
    student = 'student' if 'student' in names else names[0]
    others = [name for name in names if name != student]
    others.sort(key=lambda name: not name.startswith('teacher'))
    return (student, others[0]) if others else None


def _tinted(caption: str, image: Image, labels: NDArray[np.uint8], palette: Image) -> Cell:
    """Lay classes over the image."""
    return Cell(caption, _jpeg(overlay(image, _shrink(labels, cv2.INTER_NEAREST), palette)))


def _shrink(picture: Image, interpolation: int) -> Image:
    """Make a picture at most ``MAX_WIDTH`` wide."""
    height, width = picture.shape[:2]
    if width <= MAX_WIDTH:
        return picture
    size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
    return cv2.resize(picture, size, interpolation=interpolation).astype(np.uint8)


def _jpeg(picture: Image) -> str:
    """Return a data URI of a photo."""
    return _uri('jpeg', cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])


def _png(picture: Image) -> str:
    """Return a data URI of a drawing."""
    return _uri('png', cv2.imencode('.png', picture)[1])


def _uri(kind: str, content: Image) -> str:
    """Write a file into an address."""
    return f'data:image/{kind};base64,{base64.b64encode(content.tobytes()).decode()}'
