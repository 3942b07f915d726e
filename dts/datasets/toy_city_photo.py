"""What makes the street look of the toy city resemble a photograph."""

from __future__ import annotations

import cv2
import numpy as np

from dts.datasets.toy_city_canvas import (
    BUILDING,
    CAR,
    CLASSES,
    DEPTH_STEPS_PER_METER,
    PAVEMENT,
    PERSON,
    ROAD,
    SIGN,
    SKY,
    VEGETATION,
    Canvas,
)

# Contrast of fine and coarse texture of each class, as a share of its brightness.
FINE = {ROAD: 0.0, PAVEMENT: 0.0, BUILDING: 0.07, VEGETATION: 0.34, SKY: 0.0, CAR: 0.05, PERSON: 0.1, SIGN: 0.04}
COARSE = {ROAD: 0.08, PAVEMENT: 0.08, BUILDING: 0.1, VEGETATION: 0.2, SKY: 0.0, CAR: 0.16, PERSON: 0.1, SIGN: 0.06}
GROUND = {ROAD: 0.11, PAVEMENT: 0.16, BUILDING: 0.0, VEGETATION: 0.0, SKY: 0.0, CAR: 0.0, PERSON: 0.0, SIGN: 0.0}
TILE = 64  # side of the ground texture, pixels
TILE_METERS = 0.12  # length of a pixel of the ground texture


def photograph(canvas: Canvas, rng: np.random.Generator) -> None:
    """Turn the painted image into a photograph, in place: texture, clouds, haze, light, lens, noise.

    Args:
        canvas: image and labels; the labels stay as they are.
        rng: source of all randomness.
    """
    image = canvas.image.astype(np.float32)
    texture = textures(canvas, rng)
    add_clouds(image, canvas, rng)
    image *= texture[..., None]
    image = add_haze(image, canvas.labels[..., 1], rng)
    image *= light(image.shape[0], image.shape[1], rng)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.45, 0.85))
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    grain *= rng.uniform(3.0, 9.0)
    image += grain
    canvas.image = np.clip(image, 0, 255).astype(np.uint8)


def textures(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Return a factor near 1 for every pixel, (H, W) float32."""
    labels = canvas.labels[..., 0]
    height, width = labels.shape
    fine = smooth_noise(rng, height, width, 2)
    coarse = smooth_noise(rng, height, width, 12)
    factor = 1 + by_class(FINE, labels) * fine + by_class(COARSE, labels) * coarse
    factor += by_class(GROUND, labels) * ground_texture(canvas, rng)
    return np.clip(factor, 0.25, 1.8)


def by_class(table: dict[int, float], labels: np.ndarray) -> np.ndarray:
    """Look up a number for every pixel."""
    return np.array([table[label] for label in range(len(CLASSES))], np.float32)[labels]


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell: int) -> np.ndarray:
    """Return noise of unit variance at the nodes of a grid, interpolated, (H, W) float32."""
    grid = rng.standard_normal((height // cell + 2, width // cell + 2), dtype=np.float32)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)


def ground_texture(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Return speckles, patches and joints of slabs as they lie on the ground, (H, W) float32."""
    tile = rng.standard_normal((TILE, TILE), dtype=np.float32)
    tile += 1.2 * smooth_noise(rng, TILE, TILE, 16)
    slab = int(rng.integers(6, 12))
    tile[::slab] -= 1.5
    tile[:, ::slab] -= 1.5
    camera = canvas.camera
    scale = 1 / TILE_METERS
    # Pixel (u, v) sees the ground at x = h (u - center) / (v - horizon), z = f h / (v - horizon).
    to_tile = np.array(
        (
            (scale * camera.height, 0, -scale * camera.height * camera.center),
            (0, 0, scale * camera.focal * camera.height),
            (0, 1, -camera.horizon),
        )
    )
    height, width = canvas.image.shape[:2]
    warped = cv2.warpPerspective(
        tile,
        to_tile,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    fading = np.clip(12 * DEPTH_STEPS_PER_METER / (canvas.labels[..., 1] + 1.0), 0, 1)
    return warped * fading.astype(np.float32)


def add_clouds(image: np.ndarray, canvas: Canvas, rng: np.random.Generator) -> None:
    """Mix clouds into the sky, in place."""
    height, width = image.shape[:2]
    cloud = smooth_noise(rng, height, width, 32) + 0.5 * smooth_noise(rng, height, width, 10)
    cover = np.clip(0.5 * cloud + rng.uniform(-0.2, 0.6), 0, 0.9)
    cover *= canvas.labels[..., 0] == SKY
    white = np.array((222, 222, 226), np.float32) * rng.uniform(0.8, 1.08)
    image += cover[..., None] * (white - image)


def add_haze(image: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fade colors with depth towards that of the air."""
    visibility = rng.choice((40.0, 80.0, 160.0)) * rng.uniform(0.8, 1.3)
    air = rng.uniform(170, 215) + np.array((-4, 0, 6), np.float32) * rng.uniform(-1, 2)
    kept = np.exp(-np.arange(256) / DEPTH_STEPS_PER_METER / visibility).astype(np.float32)
    kept[255] = 0.8  # sky
    share = kept[depth][..., None]
    return (image - air.astype(np.float32)) * share + air.astype(np.float32)


def light(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return exposure, color cast and vignetting as factors, (H, W, 3) float32."""
    warmth, tint = rng.uniform(-0.12, 0.14), rng.uniform(-0.05, 0.04)
    cast = np.array((1 + warmth, 1 + tint, 1 - warmth))
    exposure = rng.uniform(0.62, 1.12)
    rows = np.linspace(-1, 1, height)[:, None]
    columns = np.linspace(-1, 1, width)[None]
    vignette = 1 - rng.uniform(0.08, 0.3) * (rows**2 + columns**2) / 2
    return (exposure * vignette[..., None] * cast).astype(np.float32)
