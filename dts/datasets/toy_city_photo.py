"""What makes the street look of the toy city resemble a photograph."""

from __future__ import annotations

import cv2
import numpy as np

from dts.datasets.toy_city_canvas import (
    BUILDING,
    CAR,
    DEPTH_STEPS_PER_METER,
    PAVEMENT,
    PERSON,
    ROAD,
    SIGN,
    SKY,
    SKY_DEPTH,
    VEGETATION,
    Canvas,
)

# Contrast of the texture of each class, as a share of its brightness: grain of two pixels, blotches
# of twelve, and speckles that lie on the ground in perspective.
FINE = {BUILDING: 0.1, VEGETATION: 0.36, CAR: 0.05, PERSON: 0.12, SIGN: 0.04}
COARSE = {
    ROAD: 0.08,
    PAVEMENT: 0.08,
    BUILDING: 0.1,
    VEGETATION: 0.2,
    CAR: 0.16,
    PERSON: 0.1,
    SIGN: 0.06,
}
GROUND = {ROAD: 0.1, PAVEMENT: 0.14}
TILE = 64  # side of the ground texture, pixels
TILE_METERS = 0.12  # length of a pixel of the ground texture
SHARP_METERS = 12.0  # beyond, the ground texture fades


def photograph(canvas: Canvas, rng: np.random.Generator) -> None:
    """Make a photograph of what is painted, in place: texture, clouds, haze, light, blur, noise.

    Args:
        canvas: image and labels; the labels stay as they are.
        rng: the only source of randomness.
    """
    height, width = canvas.labels.shape[:2]
    planes = np.array(cv2.split(canvas.image), np.float32)  # (3, H, W): broadcasting is fast
    add_clouds(planes, canvas.labels[..., 0], rng)
    planes *= textures(canvas, rng)
    add_haze(planes, canvas.labels[..., 1], rng)
    planes *= light(height, width, rng)
    image = cv2.GaussianBlur(cv2.merge(list(planes)), (5, 5), rng.uniform(0.45, 0.85))
    image += cv2.merge(noise(height, width, rng))
    canvas.image = cv2.convertScaleAbs(np.maximum(image, 0, out=image))  # rounds and saturates


def textures(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Return a factor near 1 for every pixel, (H, W) float32."""
    labels = np.ascontiguousarray(canvas.labels[..., 0])
    height, width = labels.shape
    fine = cv2.GaussianBlur(rng.standard_normal((height, width), dtype=np.float32), (3, 3), 0.6)
    factor = cv2.LUT(labels, by_class(FINE)) * fine
    factor += cv2.LUT(labels, by_class(COARSE)) * smooth_noise(height, width, 12, rng)
    factor += cv2.LUT(labels, by_class(GROUND)) * ground_texture(canvas, rng)
    factor += 1
    return np.minimum(np.maximum(factor, 0.25), 1.8)


def by_class(table: dict[int, float]) -> np.ndarray:
    """Return numbers by class id, 0 for classes not named, as a (256,) float32 table."""
    numbers = np.zeros(256, np.float32)
    numbers[list(table)] = list(table.values())
    return numbers


def smooth_noise(height: int, width: int, cell: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise of unit variance at the nodes of a grid, interpolated, (H, W) float32."""
    grid = rng.standard_normal((height // cell + 2, width // cell + 2), dtype=np.float32)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)


def ground_texture(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Return speckles, patches and joints of slabs as they lie on the ground, (H, W) float32."""
    tile = rng.standard_normal((TILE, TILE), dtype=np.float32)
    tile += 1.2 * smooth_noise(TILE, TILE, 16, rng)
    slab = int(rng.integers(6, 12))
    tile[::slab] -= 1.5
    tile[:, ::slab] -= 1.5
    camera = canvas.camera
    scale = camera.height / TILE_METERS
    # Pixel (u, v) sees the ground at x = h (u - center) / (v - horizon), z = f h / (v - horizon).
    to_tile = np.array(
        (
            (scale, 0, -scale * camera.center),
            (0, 0, scale * camera.focal),
            (0, 1, -camera.horizon),
        )
    )
    height, width = canvas.image.shape[:2]
    first = min(int(camera.horizon) + 2, height - 1)
    to_tile = to_tile @ np.array(((1, 0, 0), (0, 1, first), (0, 0, 1)))  # rows count from `first`
    texture = np.zeros((height, width), np.float32)
    texture[first:] = cv2.warpPerspective(
        tile,
        to_tile,
        (width, height - first),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    rows = np.arange(first, height) - camera.horizon
    fading = np.minimum(SHARP_METERS * rows / (camera.focal * camera.height), 1)
    texture[first:] *= fading[:, None].astype(np.float32)
    return texture


def add_clouds(planes: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Mix clouds into the sky, in place."""
    height, width = labels.shape
    cloud = smooth_noise(height, width, 32, rng) + 0.5 * smooth_noise(height, width, 10, rng)
    cover = np.minimum(np.maximum(0.5 * cloud + rng.uniform(-0.3, 0.4), 0), 0.9)
    cover *= labels == SKY
    white = 224 * rng.uniform(0.8, 1.08)
    planes += cover * (white - planes)


def add_haze(planes: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> None:
    """Fade colors with depth (bytes, (H, W)) towards that of the air, in place."""
    visibility = rng.choice((50.0, 90.0, 180.0)) * rng.uniform(0.8, 1.3)
    color = rng.uniform(170, 215) + np.array((-4, 0, 6)) * rng.uniform(-1, 2)
    air = color.astype(np.float32)[:, None, None]
    kept = np.exp(-np.arange(256) / DEPTH_STEPS_PER_METER / visibility).astype(np.float32)
    kept[SKY_DEPTH] = 0.9
    planes -= air
    planes *= cv2.LUT(np.ascontiguousarray(depth), kept)
    planes += air


def light(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return exposure, color cast and vignetting as factors, (3, H, W) float32."""
    warmth, tint = rng.uniform(-0.12, 0.14), rng.uniform(-0.05, 0.04)
    cast = rng.uniform(0.78, 1.15) * np.array((1 + warmth, 1 + tint, 1 - warmth))
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)
    vignette = 1 - np.float32(rng.uniform(0.04, 0.15)) * (rows**2 + columns**2)
    return cast.astype(np.float32)[:, None, None] * vignette


def noise(height: int, width: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return sensor noise, three (H, W) float32 planes that are shifted views of one draw."""
    size, shift = height * width, 997
    draw = rng.standard_normal(size + 2 * shift, dtype=np.float32)
    draw *= rng.uniform(2.5, 6.5)
    return [draw[k * shift : k * shift + size].reshape(height, width) for k in range(3)]
