"""Canvas of a toy city image: color, label and depth are painted together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from dts.datasets.toy_city_scene import Camera

CLASSES = ('road', 'pavement', 'building', 'vegetation', 'sky', 'car', 'person', 'sign')
ROAD, PAVEMENT, BUILDING, VEGETATION, SKY, CAR, PERSON, SIGN = range(len(CLASSES))

Color = Sequence[float]  # red, green, blue in 0..255

SUBPIXEL_BITS = 4
DEPTH_STEPS_PER_METER = 2.5  # depth is kept as a byte
SKY_DEPTH = 255  # 102 m or more
LIMIT = 4000.0  # pixels; OpenCV's fixed point overflows far outside the image


class Canvas:
    """Image and labels of equal geometry; later paint covers earlier paint.

    Attributes:
        image: (H, W, 3) uint8, red, green, blue; edges are smooth.
        labels: (H, W, 2) uint8, class id and depth byte; edges are hard.
    """

    def __init__(self, camera: Camera, height: int, width: int) -> None:
        self.camera = camera
        self.image = np.empty((height, width, 3), np.uint8)
        self.labels = np.empty((height, width, 2), np.uint8)

    def polygon(
        self, corners: np.ndarray, color: Color, label: int | None = None, depth: float = 0.0
    ) -> None:
        """Fill a convex polygon.

        Args:
            corners: (P, 2) columns and rows in pixels.
            color: of the filling.
            label: class id, or None for a detail that leaves labels and depth as they are.
            depth: distance in meters, used with a label.
        """
        self._fill(to_fixed(corners), color, label, depth)

    def details(self, polygons: np.ndarray, color: Color) -> None:
        """Fill many polygons that do not overlap with one color, labels unchanged.

        Args:
            polygons: (N, P, 2) columns and rows in pixels.
            color: of the filling.
        """
        if len(polygons):
            fixed = list(to_fixed(polygons))
            cv2.fillPoly(self.image, fixed, color, cv2.LINE_AA, SUBPIXEL_BITS)

    def faces(
        self, faces: np.ndarray, colors: Sequence[Color], label: int | None, depth: float
    ) -> None:
        """Fill flat faces that are turned to the camera, in the order given.

        Args:
            faces: (N, P, 3) world corners; seen from outside they run clockwise.
            colors: one for each face.
            label: as for ``polygon``.
            depth: as for ``polygon``.
        """
        pixels = self.camera.project(faces)
        first, second = pixels[:, 2] - pixels[:, 0], pixels[:, 3] - pixels[:, 1]
        is_front = first[:, 0] * second[:, 1] > first[:, 1] * second[:, 0]
        fixed = to_fixed(pixels)
        for index in np.flatnonzero(is_front).tolist():
            self._fill(fixed[index], colors[index], label, depth)

    def polygons(
        self, polygons: np.ndarray, colors: Sequence[Color], label: int | None, depth: float
    ) -> None:
        """Fill convex polygons, (N, P, 2) pixels, in the order given; see ``polygon``."""
        for corners, color in zip(to_fixed(polygons), colors, strict=True):
            self._fill(corners, color, label, depth)

    def _fill(self, fixed: np.ndarray, color: Color, label: int | None, depth: float) -> None:
        """Fill a convex polygon given in fixed-point pixels."""
        cv2.fillConvexPoly(self.image, fixed, color, cv2.LINE_AA, SUBPIXEL_BITS)
        if label is not None:
            value = (label, depth_byte(depth))
            cv2.fillConvexPoly(self.labels, fixed, value, cv2.LINE_8, SUBPIXEL_BITS)

    def billboard(self, x: float, z: float, shape: np.ndarray) -> np.ndarray:
        """Return pixels of a flat shape that stands at (x, z) and faces the camera.

        Args:
            x: position across the street in meters.
            z: depth in meters.
            shape: (..., 2) meters to the right and up, from the foot.

        Returns:
            (..., 2) pixels.
        """
        scale = self.camera.focal / z
        foot_column = self.camera.center + scale * x
        foot_row = self.camera.horizon + scale * self.camera.height
        return shape * (scale, -scale) + (foot_column, foot_row)

    def tufts(
        self, centers: np.ndarray, radius: float, color: Color, label: int, depth: float
    ) -> None:
        """Fill equal discs that may overlap.

        Args:
            centers: (N, 2) columns and rows in pixels.
            radius: in pixels.
            color: of the filling.
            label: class id.
            depth: distance in meters.
        """
        value = (label, depth_byte(depth))
        fixed = round(radius * 2**SUBPIXEL_BITS)
        for center in to_fixed(centers).tolist():
            cv2.circle(self.image, center, fixed, color, -1, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.circle(self.labels, center, fixed, value, -1, cv2.LINE_8, SUBPIXEL_BITS)


def to_fixed(corners: np.ndarray) -> np.ndarray:
    """Convert pixels to OpenCV's fixed-point numbers."""
    limited = np.minimum(np.maximum(corners, -LIMIT), LIMIT)
    return np.rint(limited * 2**SUBPIXEL_BITS).astype(np.int32)


def depth_byte(depth: float) -> int:
    """Code a depth in meters as a byte."""
    return int(min(max(depth * DEPTH_STEPS_PER_METER, 0.0), SKY_DEPTH))


def shade(color: Color, factor: float) -> Color:
    """Make a color darker (factor below 1) or brighter."""
    return tuple(factor * channel for channel in color)


def disc(center_x: float, center_y: float, radius: float, corners: int = 12) -> np.ndarray:
    """Return a regular polygon, (corners, 2), around a center."""
    return radius * unit_polygon(corners) + (center_x, center_y)


@lru_cache(maxsize=8)
def unit_polygon(corners: int) -> np.ndarray:
    """Return a regular polygon, (corners, 2), of radius 1 around the origin."""
    angles = (np.arange(corners) + 0.5) * (2 * np.pi / corners)
    polygon = np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    polygon.setflags(write=False)
    return polygon


def box(
    low: Sequence[float], high: Sequence[float], inset: Sequence[float] = (0, 0, 0)
) -> np.ndarray:
    """Return the five visible faces of a box: left, right, far, near, top.

    Args:
        low: smallest x, y, z.
        high: largest x, y, z.
        inset: how far the top is drawn in at the sides, the far end and the near end.

    Returns:
        (5, 4, 3) corners, clockwise seen from outside; the first two of each side face are at the
        bottom.
    """
    (x0, y0, z0), (x1, y1, z1) = low, high
    a0, a1, c0, c1 = x0 + inset[0], x1 - inset[0], z0 + inset[2], z1 - inset[1]
    near_left, near_right = (x0, y0, z0), (x1, y0, z0)
    far_left, far_right = (x0, y0, z1), (x1, y0, z1)
    top_nl, top_nr, top_fl, top_fr = (a0, y1, c0), (a1, y1, c0), (a0, y1, c1), (a1, y1, c1)
    return np.array(
        (
            (near_left, far_left, top_fl, top_nl),
            (far_right, near_right, top_nr, top_fr),
            (far_left, far_right, top_fr, top_fl),
            (near_right, near_left, top_nl, top_nr),
            (top_nl, top_fl, top_fr, top_nr),
        ),
        np.float64,
    )
