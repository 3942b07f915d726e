"""Cars, persons, signs and trees of the toy city."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dts.datasets.toy_city_canvas import (
    CAR,
    PERSON,
    SIGN,
    VEGETATION,
    Canvas,
    Color,
    box,
    disc,
    shade,
)
from dts.datasets.toy_city_looks import Paint, pick
from dts.datasets.toy_city_scene import Thing

FACE_LIGHT = (0.74, 1.0, 0.7, 0.88, 1.15)  # left, right, far, near, top
GLASS = (46, 58, 74)
RUBBER = (26, 26, 30)
TAIL_LIGHT = (200, 24, 24)
HEAD_LIGHT = (250, 246, 220)
WHEEL_RADIUS = 0.34
VAN_SHARE = 0.18
NEAR_TREE = 30.0  # meters; trees beyond are drawn with less detail
LIGHT_SUM = 450  # red + green + blue above which a sign's field bears a dark symbol
# Left and right leg, left and right arm, trunk, neck; the upper edge first, feet at height 0,
# unit: height of the person.
PERSON_PARTS = np.array(
    (
        ((-0.14, 0.52), (0.0, 0.52), (-0.02, 0.0), (-0.16, 0.0)),
        ((0.0, 0.52), (0.14, 0.52), (0.16, 0.0), (0.02, 0.0)),
        ((-0.15, 0.82), (-0.21, 0.79), (-0.25, 0.46), (-0.16, 0.45)),
        ((0.15, 0.82), (0.21, 0.79), (0.25, 0.46), (0.16, 0.45)),
        ((-0.18, 0.84), (0.18, 0.84), (0.15, 0.46), (-0.15, 0.46)),
        ((-0.04, 0.87), (0.04, 0.87), (0.04, 0.8), (-0.04, 0.8)),
    )
)
PERSON_PARTS.setflags(write=False)
TREE_RINGS = ((1.25, 0.74), (0.85, 0.92), (0.45, 1.1))  # radius in meters, brightness


def draw_thing(canvas: Canvas, thing: Thing, paint: Paint) -> None:
    """Paint one thing and its labels."""
    painters = {'car': draw_car, 'person': draw_person, 'sign': draw_sign, 'tree': draw_tree}
    painters[thing.kind](canvas, thing, paint)


def draw_car(canvas: Canvas, car: Thing, paint: Paint) -> None:
    """Paint a car or a van: tires, body, cabin, wheels, windows, lights."""
    color = pick(paint.cars, car.style[0])
    is_van = car.style[1] < VAN_SHARE
    solid, wheels, trims = car_shape(is_van)
    lit: list[Color] = [shade(color, light) for light in FACE_LIGHT]
    colors = [*[RUBBER] * (len(solid) - 2 * len(lit)), *lit, *lit]
    canvas.faces(placed(solid, car), colors, CAR, car.z)
    canvas.faces(placed(wheels, car), [RUBBER] * len(wheels), CAR, car.z)
    trim_colors = [TAIL_LIGHT] * 2 + [HEAD_LIGHT] * 2 + [GLASS] * (len(trims) - 4)
    canvas.faces(placed(trims, car), trim_colors, None, car.z)


@lru_cache(maxsize=2)
def car_shape(is_van: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the faces of a car of unit size around the origin, its front at z > 0.

    Returns:
        (N, 4, 3) tires, underside, body and cabin, the last two five faces each; (4, 12, 3)
        wheels; (M, 4, 3) two rear lights, two front lights, then windows.
    """
    half, end = 0.9, 2.1
    waist, top = (1.1, 2.1) if is_van else (0.93, 1.5)
    if is_van:
        cabin = box((-half, waist, -end), (half, top, end - 0.8), (0.1, 0.6, 0.06))
    else:
        cabin = box((-0.85, waist, 0.4 - end), (0.85, top, end - 1.0), (0.2, 0.7, 0.5))
    body = box((-half, 0.26, -end), (half, waist, end), (0.05, 0.12, 0.06))
    under = box((0.15 - half, 0.12, 0.3 - end), (half - 0.15, 0.3, end - 0.3))
    tires = [box((x - 0.13, 0, 0.1 - end), (x + 0.13, 0.4, end - 0.1))[2:4] for x in (-0.7, 0.7)]
    solid = np.concatenate((under[:4], *tires, body, cabin))
    wheels = [wheel(side * half, along * end) for side in (-1, 1) for along in (-0.62, 0.62)]
    lights = [lamp(x, z) for z in (-end, end) for x in (0.06 - half, half - 0.4)]
    panes = inset(cabin[2:4] if is_van else cabin[:4])
    return solid, np.array(wheels), np.concatenate((lights, panes))


def placed(points: np.ndarray, thing: Thing) -> np.ndarray:
    """Scale points, turn them about the vertical axis and move them to where the thing stands."""
    cosine, sine = np.cos(thing.yaw), np.sin(thing.yaw)
    across, along = thing.size * points[..., 0], thing.size * points[..., 2]
    world = np.empty(points.shape)
    world[..., 0] = thing.x + across * cosine + along * sine
    world[..., 1] = thing.size * points[..., 1]
    world[..., 2] = thing.z - across * sine + along * cosine
    return world


def inset(faces: np.ndarray, share: float = 0.14) -> np.ndarray:
    """Shrink flat faces, (N, 4, 3), towards their centers."""
    return faces + 2 * share * (faces.mean(axis=1, keepdims=True) - faces)


def wheel(x: float, z: float) -> np.ndarray:
    """Return a wheel, (12, 3), at the left (x < 0) or right side of a car."""
    rim = disc(0.0, 0.0, WHEEL_RADIUS)[::-1]
    return np.stack((np.full(12, x), WHEEL_RADIUS + rim[:, 1], z + np.sign(x) * rim[:, 0]), axis=-1)


def lamp(x: float, z: float) -> np.ndarray:
    """Return a lamp, (4, 3), in the front (z > 0) or rear of a car; ``x`` is its left end."""
    low, high = 0.55, 0.75
    near, far = (x + 0.34, x) if z < 0 else (x, x + 0.34)
    return np.array(((near, low, z), (far, low, z), (far, high, z), (near, high, z)))


def draw_person(canvas: Canvas, person: Thing, paint: Paint) -> None:
    """Paint a person who stands or walks: legs, arms, trunk, head."""
    skin, hair = pick(paint.skins, person.style[0]), pick(paint.hair, person.style[1])
    shirt, trousers = pick(paint.shirts, person.style[2]), pick(paint.trousers, person.style[3])
    parts = PERSON_PARTS.copy()
    stride = 0.32 * person.style[1] - 0.11
    parts[0, 2:, 0] += stride
    parts[1, 2:, 0] -= stride
    parts[2:4, 2:, 0] -= 0.5 * stride
    sleeve = shade(shirt, 0.8)
    pixels = canvas.billboard(person.x, person.z, person.size * parts)
    colors = (trousers, trousers, sleeve, sleeve, shirt, skin)
    canvas.polygons(pixels, colors, PERSON, person.z)
    head = np.array((disc(0.0, 0.92, 0.095), disc(0.01, 0.905, 0.07)))
    pixels = canvas.billboard(person.x, person.z, person.size * head)
    canvas.polygons(pixels, (hair, skin), PERSON, person.z)


def draw_sign(canvas: Canvas, sign: Thing, paint: Paint) -> None:
    """Paint a pole with a round, triangular, square or eight-sided plate."""
    rim, field = paint.plates[int(sign.style[0] * len(paint.plates))]
    corners = (16, 3, 4, 8)[int(sign.style[1] * 4)]
    radius = 0.48 + 0.2 * sign.style[2]
    pole = np.array(((-0.1, 0.0), (0.1, 0.0), (0.1, sign.size), (-0.1, sign.size)))
    canvas.polygon(canvas.billboard(sign.x, sign.z, pole), paint.pole, SIGN, sign.z)
    for reach, color in ((radius, rim), (0.72 * radius, field)):
        angles = -np.pi / 2 + (np.arange(corners) + 0.5) * (2 * np.pi / corners)
        plate = reach * np.stack((np.cos(angles), np.sin(angles)), axis=-1)
        plate[:, 1] += sign.size
        canvas.polygon(canvas.billboard(sign.x, sign.z, plate), color, SIGN, sign.z)
    symbol = np.array(((-0.1, -0.2), (0.1, -0.2), (0.1, 0.2), (-0.1, 0.2))) * radius * 1.6
    symbol[:, 1] += sign.size
    dark = (30, 30, 34) if sum(field) > LIGHT_SUM else (240, 240, 240)
    canvas.details(canvas.billboard(sign.x, sign.z, symbol)[None], dark)


def draw_tree(canvas: Canvas, tree: Thing, paint: Paint) -> None:
    """Paint a trunk and a crown of overlapping round tufts, lit from above."""
    leaf = pick(paint.leaves, tree.style[0])
    size = tree.size
    trunk = np.array(((-0.2, 0.0), (0.2, 0.0), (0.13, 3.0), (-0.13, 3.0))) * (size, size)
    canvas.polygon(canvas.billboard(tree.x, tree.z, trunk), paint.trunk, VEGETATION, tree.z)
    slim = 0.75 + 0.5 * tree.style[1]
    angles = 2 * np.pi * (tree.style[2] + np.arange(5) / 5)
    circle = np.stack((slim * np.cos(angles), np.sin(angles)), axis=-1)
    rings = TREE_RINGS if tree.z < NEAR_TREE else TREE_RINGS[::2]
    for ring, light in rings:
        centers = size * (ring * circle + (0.0, 5.15 - 0.6 * ring))
        radius = size * (0.6 + 0.5 * ring) * canvas.camera.focal / tree.z
        pixels = canvas.billboard(tree.x, tree.z, centers)
        canvas.tufts(pixels, radius, shade(leaf, light), VEGETATION, tree.z)
