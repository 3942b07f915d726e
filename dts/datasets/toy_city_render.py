"""From a scene of the toy city to an image and its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dts.datasets.toy_city_canvas import (
    BUILDING,
    PAVEMENT,
    ROAD,
    SKY,
    VEGETATION,
    Canvas,
    box,
    disc,
    shade,
)
from dts.datasets.toy_city_objects import draw_thing, placed
from dts.datasets.toy_city_paint import GAME_PAINT, STREET_PAINT, Paint, pick
from dts.datasets.toy_city_photo import photograph
from dts.datasets.toy_city_scene import (
    FAR,
    GAME_TRAITS,
    STREET_TRAITS,
    Building,
    Scene,
    Traits,
    make_scene,
)

NEAR = 0.6  # depth where the ground begins, below the lower edge of the image
WALL_LIGHT = (0.78, 1.0, 0.7, 0.86, 1.0)  # left, right, far, near, top
FLOOR_HEIGHT = 3.1
BAY_WIDTH = 2.7


@dataclass(frozen=True)
class Look:
    """Statistics and colors of a look, and whether it is photographed."""

    traits: Traits
    paint: Paint
    is_photo: bool


LOOKS = {
    'game': Look(GAME_TRAITS, GAME_PAINT, is_photo=False),
    'street': Look(STREET_TRAITS, STREET_PAINT, is_photo=True),
}


def render(
    look: str, key: Sequence[int], height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Render one image, a pure function of the arguments.

    Args:
        look: ``game`` or ``street``.
        key: non-negative integers, for example (seed, split, index); looks of one key differ.
        height: rows.
        width: columns.

    Returns:
        (H, W, 3) uint8 image, red, green, blue; (H, W) uint8 labels in [0, 7], no ignore.
    """
    rng = np.random.default_rng((*key, list(LOOKS).index(look)))
    kind = LOOKS[look]
    scene = make_scene(rng, kind.traits, height, width)
    canvas = Canvas(scene.camera, height, width)
    draw_ground_and_sky(canvas, scene, kind.paint, rng)
    draw_shadows(canvas, scene, rng, is_cast=kind.is_photo)
    draw_skyline(canvas, kind.paint, rng)
    blocks = [*scene.buildings, *scene.backdrop]
    for block in sorted(blocks, key=lambda b: b.near if isinstance(b, Building) else b.z)[::-1]:
        if isinstance(block, Building):
            draw_building(canvas, block, kind.paint, rng)
        else:
            draw_thing(canvas, block, kind.paint)
    for thing in sorted(scene.things, key=lambda thing: -thing.z):
        draw_thing(canvas, thing, kind.paint)
    if kind.is_photo:
        photograph(canvas, rng)
    return canvas.image, np.ascontiguousarray(canvas.labels[..., 0])


def draw_ground_and_sky(
    canvas: Canvas, scene: Scene, paint: Paint, rng: np.random.Generator
) -> None:
    """Paint sky, grass, pavements with kerbs and the road with its marks."""
    height = len(canvas.image)
    top, bottom = paint.skies[rng.integers(len(paint.skies))]
    rows = np.clip(np.arange(height) / scene.camera.horizon, 0, 1)[:, None]
    sky = (1 - rows) * top + rows * bottom
    canvas.image[:] = sky[:, None].astype(np.uint8)
    canvas.labels[:] = (SKY, 255)
    first = int(np.ceil(scene.camera.horizon))
    canvas.image[first:] = pick(paint.grass, rng.random())
    canvas.labels[first:, :, 0] = VEGETATION
    pavement = pick(paint.pavements, rng.random())
    left, right = scene.road
    for edges in ((scene.pavements[0], left), (right, scene.pavements[1])):
        canvas.polygon(ground(canvas, *edges), pavement, PAVEMENT)
    canvas.polygon(ground(canvas, left, right), pick(paint.roads, rng.random()), ROAD)
    for edge in (left - 0.1, right + 0.1):
        canvas.details(ground(canvas, edge - 0.12, edge + 0.12)[None], shade(pavement, 1.2))
    middle = left + 0.5 * (right - left)
    dashes = [
        ground(canvas, middle - 0.08, middle + 0.08, z, z + 2.2)
        for z in np.arange(1.0 + 3 * rng.random(), 60, 5.0)
    ]
    if rng.random() < 0.35:
        z = rng.uniform(8.0, 22.0)
        stripes = np.arange(left + 0.4, right - 0.5, 1.0)
        dashes += [ground(canvas, x, x + 0.5, z, z + 2.5) for x in stripes]
    for dash in dashes:
        canvas.polygon(dash, paint.marks)
    depth = scene.camera.focal * scene.camera.height / (np.arange(first, height) + 0.5 - scene.camera.horizon)
    canvas.labels[first:, :, 1] = np.clip(depth * 2.5, 0, 255).astype(np.uint8)[:, None]


def ground(
    canvas: Canvas, left: float, right: float, near: float = NEAR, far: float = FAR
) -> np.ndarray:
    """Return the pixels, (4, 2), of a rectangle on the ground."""
    corners = ((left, 0, near), (left, 0, far), (right, 0, far), (right, 0, near))
    return canvas.camera.project(np.array(corners, np.float64))


def draw_shadows(
    canvas: Canvas, scene: Scene, rng: np.random.Generator, *, is_cast: bool
) -> None:
    """Darken the ground below cars; in cast shadows also beside buildings, trees and persons."""
    mask = np.full(canvas.image.shape[:2], 255, np.uint8)
    sun = rng.choice((-1.0, 1.0)) * rng.uniform(0.3, 1.1)  # shadow length by height, to the side
    dark = int(rng.uniform(95, 190))

    def darken(points: np.ndarray) -> None:
        pixels = canvas.camera.project(points)
        fixed = np.round(np.clip(pixels, -4000, 4000)).astype(np.int32)
        cv2.fillConvexPoly(mask, cv2.convexHull(fixed), dark)

    if is_cast:
        for building in scene.buildings:
            if building.side * sun < 0:
                edge = building.x + sun * building.height
                corners = [(building.x, 0, building.near), (building.x, 0, building.far)]
                corners += [(edge, 0, building.far), (edge, 0, building.near)]
                darken(np.array(corners, np.float64))
    for thing in scene.things:
        if thing.kind == 'car':
            base = box((-1.0, 0, -2.2), (1.0, 0, 2.2))[4]
            points = placed(base, thing)
            if is_cast:
                points = np.concatenate((points, points + (sun * 1.2, 0, 0)))
            darken(points)
        elif is_cast:
            reach = {'tree': 5.0, 'person': 1.7, 'sign': 2.6}[thing.kind] * sun
            radius = {'tree': 1.8, 'person': 0.22, 'sign': 0.3}[thing.kind]
            blob = disc(thing.x + reach, thing.z, radius)
            blob = np.stack((blob[:, 0], np.zeros(12), blob[:, 1]), axis=-1)
            foot = np.array([(thing.x, 0, thing.z)])
            darken(blob if thing.kind == 'tree' else np.concatenate((blob, foot)))
    if is_cast:
        mask = cv2.GaussianBlur(mask, (0, 0), 0.8)
    canvas.image = cv2.multiply(canvas.image, cv2.merge((mask, mask, mask)), scale=1 / 255)


def draw_skyline(canvas: Canvas, paint: Paint, rng: np.random.Generator) -> None:
    """Close the end of the street with far buildings and trees."""
    x = -80.0
    while x < 80.0:
        width = rng.uniform(8.0, 16.0)
        is_house = rng.random() < 0.6
        tall = rng.uniform(5.0, 16.0) if is_house else rng.uniform(3.0, 7.0)
        colors = paint.walls if is_house else paint.leaves
        color = shade(pick(colors, rng.random()), 0.85)
        corners = ((x, 0, FAR), (x + width, 0, FAR), (x + width, tall, FAR), (x, tall, FAR))
        pixels = canvas.camera.project(np.array(corners, np.float64))
        canvas.polygon(pixels, color, BUILDING if is_house else VEGETATION, FAR)
        x += width


def draw_building(
    canvas: Canvas, block: Building, paint: Paint, rng: np.random.Generator
) -> None:
    """Paint a block: walls, cornice, shop front or door, windows."""
    color = pick(paint.walls, block.style[0])
    inner, outer = block.x, block.x + block.side * 14.0
    low = (min(inner, outer), 0.0, block.near)
    high = (max(inner, outer), block.height, block.far)
    depth = max(block.near, 0.0) * 0.5 + block.far * 0.5
    walls = box(low, high)
    canvas.faces(walls[:4], [shade(color, light) for light in WALL_LIGHT[:4]], BUILDING, depth)
    trim = shade(color, 1.18 if block.style[1] < 0.5 else 0.6)
    cornice = facade(block, block.near, block.far, block.height - 0.5, block.height)
    canvas.details(canvas.camera.project(cornice)[None], trim)
    columns = np.arange(max(block.near, 1.5) + 0.8, block.far - 1.6, BAY_WIDTH)
    floors = np.arange(1, int(block.height / FLOOR_HEIGHT)) * FLOOR_HEIGHT
    tall = 1.3 + 0.6 * block.style[2]
    windows = [facade(block, z, z + 1.3, y + 0.4, y + 0.4 + tall) for y in floors for z in columns]
    has_shop = block.style[3] < 0.45
    windows += [facade(block, z, z + (2.2 if has_shop else 1.3), 0.6, 2.4) for z in columns[1:]]
    if windows:
        pixels = canvas.camera.project(np.array(windows))
        is_second = rng.random(len(windows)) < 0.25
        canvas.details(pixels[~is_second], paint.panes[0])
        canvas.details(pixels[is_second], paint.panes[1])
    if len(columns):
        door = facade(block, columns[0], columns[0] + 1.1, 0.0, 2.2)
        canvas.details(canvas.camera.project(door)[None], pick(paint.doors, block.style[2]))
    if has_shop:
        awning = facade(block, block.near + 0.3, block.far - 0.3, 2.5, 3.0)
        canvas.details(canvas.camera.project(awning)[None], pick(paint.cars, block.style[1]))


def facade(block: Building, near: float, far: float, low: float, high: float) -> np.ndarray:
    """Return the corners, (4, 3), of a rectangle on the wall that faces the street."""
    return np.array(
        ((block.x, low, near), (block.x, low, far), (block.x, high, far), (block.x, high, near))
    )
