"""From a scene of the toy city to an image and its labels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from dts.datasets.toy_city_canvas import (
    BUILDING,
    DEPTH_STEPS_PER_METER,
    PAVEMENT,
    ROAD,
    SKY,
    SKY_DEPTH,
    SUBPIXEL_BITS,
    VEGETATION,
    Canvas,
    box,
    disc,
    shade,
    to_fixed,
)
from dts.datasets.toy_city_looks import LOOKS, Look, Paint, pick
from dts.datasets.toy_city_objects import draw_thing, placed
from dts.datasets.toy_city_photo import photograph
from dts.datasets.toy_city_scene import (
    FAR,
    Building,
    Scene,
    Thing,
    make_scene,
)

NEAR = 0.6  # depth where the ground begins, below the lower edge of the image
WALL_LIGHT = (0.78, 1.0, 0.7, 0.86, 1.0)  # left, right, far, near, top
FLOOR_HEIGHT = 3.1
BAY_WIDTH = 2.7
SKYLINE = 80.0  # half its width, meters
ZEBRA_SHARE = 0.35  # of the streets have a zebra crossing
HOUSE_SHARE = 0.6  # of the skyline, the rest are trees
SHOP_SHARE = 0.45  # of the buildings have a shop
LIT_SHARE = 0.25  # of the windows
CAR_SHADOW = box((-1.0, 0, -2.2), (1.0, 0, 2.2))[4]


def render(look: str, key: Sequence[int], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
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
    scene = make_scene(rng, LOOKS[look].traits, height, width)
    canvas = draw_scene(scene, LOOKS[look], height, width, rng)
    return canvas.image, np.ascontiguousarray(canvas.labels[..., 0])


def draw_scene(
    scene: Scene, look: Look, height: int, width: int, rng: np.random.Generator
) -> Canvas:
    """Paint a scene from far to near and, if the look asks for it, make it a photograph."""
    canvas = Canvas(scene.camera, height, width)
    draw_ground_and_sky(canvas, scene, look.paint, rng)
    draw_shadows(canvas, scene, rng, is_cast=look.is_photo)
    draw_skyline(canvas, look.paint, rng)
    blocks: list[Building | Thing] = [*scene.buildings, *scene.backdrop]
    for block in sorted(blocks, key=depth_of, reverse=True):
        if isinstance(block, Building):
            draw_building(canvas, block, look.paint, rng)
        else:
            draw_thing(canvas, block, look.paint)
    for thing in sorted(scene.things, key=depth_of, reverse=True):
        draw_thing(canvas, thing, look.paint)
    if look.is_photo:
        photograph(canvas, rng)
    return canvas


def depth_of(item: Building | Thing) -> float:
    """Return the depth that decides who hides whom."""
    return item.near if isinstance(item, Building) else item.z


def draw_ground_and_sky(
    canvas: Canvas, scene: Scene, paint: Paint, rng: np.random.Generator
) -> None:
    """Paint sky, grass, pavements with kerbs and the road with its marks."""
    height = len(canvas.image)
    top, bottom = paint.skies[rng.integers(len(paint.skies))]
    share = np.minimum(np.arange(height) / scene.camera.horizon, 1)[:, None]
    sky = (1 - share) * top + share * bottom
    canvas.image[:] = sky[:, None].astype(np.uint8)
    canvas.labels[:] = (SKY, SKY_DEPTH)
    first = int(np.ceil(scene.camera.horizon))
    canvas.image[first:] = pick(paint.grass, rng.random())
    canvas.labels[first:, :, 0] = VEGETATION
    pavement = pick(paint.pavements, rng.random())
    left, right = scene.road
    for edges in ((scene.pavements[0], left), (right, scene.pavements[1])):
        canvas.polygon(ground(canvas, *edges)[0], pavement, PAVEMENT)
    canvas.polygon(ground(canvas, left, right)[0], pick(paint.roads, rng.random()), ROAD)
    for edge in (left - 0.1, right + 0.1):
        canvas.details(ground(canvas, edge - 0.12, edge + 0.12), shade(pavement, 1.2))
    middle = left + 0.5 * (right - left)
    nears = np.arange(1.0 + 3 * rng.random(), 60, 5.0)[:, None]
    canvas.details(ground(canvas, middle - 0.08, middle + 0.08, nears, nears + 2.2), paint.marks)
    if rng.random() < ZEBRA_SHARE:
        near = rng.uniform(8.0, 22.0)
        lefts = np.arange(left + 0.4, right - 0.5, 1.0)[:, None]
        canvas.details(ground(canvas, lefts, lefts + 0.5, near, near + 2.5), paint.marks)
    rows_below = np.arange(first, height) + 0.5 - scene.camera.horizon
    steps = DEPTH_STEPS_PER_METER * scene.camera.focal * scene.camera.height / rows_below
    canvas.labels[first:, :, 1] = np.minimum(steps, SKY_DEPTH).astype(np.uint8)[:, None]


def ground(
    canvas: Canvas,
    left: float | np.ndarray,
    right: float | np.ndarray,
    near: float | np.ndarray = NEAR,
    far: float | np.ndarray = FAR,
) -> np.ndarray:
    """Return the pixels, (N, 4, 2), of rectangles on the ground; arrays are (N, 1)."""
    is_right, is_far = np.array((0, 0, 1, 1)), np.array((0, 1, 1, 0))
    across = left + (right - left) * is_right + 0 * near
    along = near + (far - near) * is_far + 0 * left
    corners = np.stack((across, np.zeros(across.shape), along), axis=-1)
    return canvas.camera.project(corners.reshape(-1, 4, 3))


def draw_shadows(canvas: Canvas, scene: Scene, rng: np.random.Generator, *, is_cast: bool) -> None:
    """Darken the ground below cars; in cast shadows also beside buildings, trees and persons."""
    mask = np.full(canvas.image.shape[:2], 255, np.uint8)
    sun = rng.choice((-1.0, 1.0)) * rng.uniform(0.3, 1.1)  # shadow length by height, to the side
    dark = int(rng.uniform(95, 190))

    def darken(points: np.ndarray) -> None:
        pixels = canvas.camera.project(points)
        hull = cv2.convexHull(to_fixed(pixels))
        cv2.fillConvexPoly(mask, hull, dark, cv2.LINE_AA, SUBPIXEL_BITS)

    if is_cast:
        for building in scene.buildings:
            if building.side * sun < 0:
                edge = building.x + sun * building.height
                corners = [(building.x, 0, building.near), (building.x, 0, building.far)]
                corners += [(edge, 0, building.far), (edge, 0, building.near)]
                darken(np.array(corners, np.float64))
    for thing in scene.things:
        if thing.kind == 'car':
            points = placed(CAR_SHADOW, thing)
            if is_cast:
                points = np.vstack((points, points + np.array((sun * 1.2, 0, 0))))
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
    cv2.multiply(canvas.image, cv2.merge((mask, mask, mask)), dst=canvas.image, scale=1 / 255)


def draw_skyline(canvas: Canvas, paint: Paint, rng: np.random.Generator) -> None:
    """Close the end of the street with far buildings and trees."""
    x = -SKYLINE
    while x < SKYLINE:
        width = rng.uniform(8.0, 16.0)
        is_house = rng.random() < HOUSE_SHARE
        tall = rng.uniform(5.0, 16.0) if is_house else rng.uniform(3.0, 7.0)
        colors = paint.walls if is_house else paint.leaves
        color = shade(pick(colors, rng.random()), 0.85)
        corners = ((x, 0, FAR), (x + width, 0, FAR), (x + width, tall, FAR), (x, tall, FAR))
        pixels = canvas.camera.project(np.array(corners, np.float64))
        canvas.polygon(pixels, color, BUILDING if is_house else VEGETATION, FAR)
        x += width


def draw_building(canvas: Canvas, block: Building, paint: Paint, rng: np.random.Generator) -> None:
    """Paint a block: walls, cornice, shop front or door, windows."""
    color = pick(paint.walls, block.style[0])
    inner, outer = block.x, block.x + block.side * 14.0
    low = (min(inner, outer), 0.0, block.near)
    high = (max(inner, outer), block.height, block.far)
    depth = max(block.near, 0.0) * 0.5 + block.far * 0.5
    walls = box(low, high)
    canvas.faces(walls[:4], [shade(color, light) for light in WALL_LIGHT[:4]], BUILDING, depth)
    trim = shade(color, (0.6, 1.18)[int(2 * block.style[1])])
    cornice = facade(block, block.near, block.far, block.height - 0.5, block.height)
    canvas.details(canvas.camera.project(cornice)[None], trim)
    columns = np.arange(max(block.near, 1.5) + 0.8, block.far - 1.6, BAY_WIDTH)
    floors = np.arange(1, int(block.height / FLOOR_HEIGHT)) * FLOOR_HEIGHT
    tall = 1.3 + 0.6 * block.style[2]
    has_shop = block.style[3] < SHOP_SHARE
    upper = facades(block.x, columns, 1.3, floors + 0.4, tall)
    lower = facades(block.x, columns[1:], 2.2 if has_shop else 1.3, np.array((0.6,)), 1.8)
    windows = np.concatenate((upper, lower))
    if len(windows):
        pixels = canvas.camera.project(windows)
        is_second = rng.random(len(windows)) < LIT_SHARE
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


def facades(
    x: float, nears: np.ndarray, length: float, lows: np.ndarray, height: float
) -> np.ndarray:
    """Return equal rectangles on a wall, (N, 4, 3), at every near end and every lower edge."""
    corners = np.empty((len(lows), len(nears), 4, 3))
    corners[..., 0] = x
    corners[..., 1] = lows[:, None, None] + np.array((0, 0, height, height))
    corners[..., 2] = nears[:, None] + np.array((0, length, length, 0))
    return corners.reshape(-1, 4, 3)
