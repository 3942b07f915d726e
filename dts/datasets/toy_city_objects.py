"""Cars, persons, signs and trees of the toy city."""

from __future__ import annotations

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
from dts.datasets.toy_city_paint import Paint, pick
from dts.datasets.toy_city_scene import Thing

FACE_LIGHT = (0.74, 1.0, 0.7, 0.88, 1.15)  # left, right, far, near, top
GLASS = (46, 58, 74)
RUBBER = (26, 26, 30)
TAIL_LIGHT = (200, 24, 24)
HEAD_LIGHT = (250, 246, 220)
WHEEL_RADIUS = 0.34


def draw_thing(canvas: Canvas, thing: Thing, paint: Paint) -> None:
    """Paint one thing and its labels."""
    painters = {'car': draw_car, 'person': draw_person, 'sign': draw_sign, 'tree': draw_tree}
    painters[thing.kind](canvas, thing, paint)


def draw_car(canvas: Canvas, car: Thing, paint: Paint) -> None:
    """Paint a car or a van: tires, body, cabin with windows, wheels, lights."""
    color = pick(paint.cars, car.style[0])
    is_van = car.style[1] > 0.82
    half, end = 0.9 * car.size, 2.1 * car.size
    waist, top = (1.1, 2.1) if is_van else (0.93, 1.5)
    if is_van:
        cabin = box((-half, waist, -end), (half, top, end - 0.8), (0.1, 0.6, 0.06))
    else:
        cabin = box((-half + 0.05, waist, 0.4 - end), (half - 0.05, top, end - 1.0), (0.2, 0.7, 0.5))
    body = box((-half, 0.26, -end), (half, waist, end), (0.05, 0.12, 0.06))
    under = box((0.15 - half, 0.12, 0.3 - end), (half - 0.15, 0.3, end - 0.3))
    tires = [box((x - 0.13, 0.0, -end + 0.1), (x + 0.13, 0.4, end - 0.1)) for x in (-0.7, 0.7)]
    for part in (under, *tires):
        canvas.faces(placed(part[2:4], car), [RUBBER] * 2, CAR, car.z)
    canvas.faces(placed(under[:2], car), [RUBBER] * 2, CAR, car.z)
    for part in (body, cabin):
        colors = [shade(color, light) for light in FACE_LIGHT]
        canvas.faces(placed(part, car), colors, CAR, car.z)
    panes = inset(cabin[2:4] if is_van else cabin[:4])
    canvas.faces(placed(panes, car), [GLASS] * len(panes), None, car.z)
    wheels = [wheel(side * half, along * end) for side in (-1, 1) for along in (-0.62, 0.62)]
    canvas.faces(placed(np.array(wheels), car), [RUBBER] * 4, CAR, car.z)
    lights = [lamp(x, z) for z in (-end, end) for x in (0.06 - half, half - 0.4)]
    canvas.faces(
        placed(np.array(lights), car), [TAIL_LIGHT] * 2 + [HEAD_LIGHT] * 2, None, car.z
    )


def placed(points: np.ndarray, thing: Thing) -> np.ndarray:
    """Turn points about the vertical axis and move them to where the thing stands."""
    cosine, sine = np.cos(thing.yaw), np.sin(thing.yaw)
    across, along = points[..., 0], points[..., 2]
    return np.stack(
        (
            thing.x + across * cosine + along * sine,
            points[..., 1],
            thing.z - across * sine + along * cosine,
        ),
        axis=-1,
    )


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
    stride = 0.16 * (2 * person.style[1] - 1) + 0.05
    swing = 0.5 * stride
    parts: list[tuple[list[tuple[float, float]], Color]] = [
        ([(-0.11, 0.52), (0.0, 0.52), (stride - 0.02, 0.0), (stride - 0.13, 0.0)], trousers),
        ([(0.0, 0.52), (0.11, 0.52), (0.13 - stride, 0.0), (0.02 - stride, 0.0)], trousers),
        ([(-0.13, 0.8), (-0.18, 0.78), (-0.2 - swing, 0.48), (-0.13 - swing, 0.47)], shade(shirt, 0.8)),
        ([(0.13, 0.8), (0.18, 0.78), (0.2 - swing, 0.48), (0.13 - swing, 0.47)], shade(shirt, 0.8)),
        ([(-0.15, 0.83), (0.15, 0.83), (0.12, 0.47), (-0.12, 0.47)], shirt),
        ([(-0.03, 0.87), (0.03, 0.87), (0.03, 0.81), (-0.03, 0.81)], skin),
    ]
    for corners, color in parts:
        shape = np.array(corners) * person.size
        canvas.polygon(canvas.billboard(person.x, person.z, shape), color, PERSON, person.z)
    head = disc(0.0, 0.92 * person.size, 0.085 * person.size)
    canvas.polygon(canvas.billboard(person.x, person.z, head), hair, PERSON, person.z)
    face = disc(0.01 * person.size, 0.905 * person.size, 0.06 * person.size)
    canvas.details(canvas.billboard(person.x, person.z, face)[None], skin)


def draw_sign(canvas: Canvas, sign: Thing, paint: Paint) -> None:
    """Paint a pole with a round, triangular, square or eight-sided plate."""
    rim, field = paint.plates[int(sign.style[0] * len(paint.plates))]
    corners = (16, 3, 4, 8)[int(sign.style[1] * 4)]
    radius = 0.42 + 0.18 * sign.style[2]
    pole = np.array(((-0.07, 0.0), (0.07, 0.0), (0.07, sign.size), (-0.07, sign.size)))
    canvas.polygon(canvas.billboard(sign.x, sign.z, pole), paint.pole, SIGN, sign.z)
    for reach, color in ((radius, rim), (0.72 * radius, field)):
        angles = -np.pi / 2 + (np.arange(corners) + 0.5) * (2 * np.pi / corners)
        plate = reach * np.stack((np.cos(angles), np.sin(angles)), axis=-1)
        plate[:, 1] += sign.size
        canvas.polygon(canvas.billboard(sign.x, sign.z, plate), color, SIGN, sign.z)
    symbol = np.array(((-0.1, -0.2), (0.1, -0.2), (0.1, 0.2), (-0.1, 0.2))) * radius * 1.6
    symbol[:, 1] += sign.size
    dark = (30, 30, 34) if sum(field) > 450 else (240, 240, 240)
    canvas.details(canvas.billboard(sign.x, sign.z, symbol)[None], dark)


def draw_tree(canvas: Canvas, tree: Thing, paint: Paint) -> None:
    """Paint a trunk and a crown of overlapping round tufts, lit from above."""
    leaf = pick(paint.leaves, tree.style[0])
    size = tree.size
    trunk = np.array(((-0.2, 0.0), (0.2, 0.0), (0.13, 3.0), (-0.13, 3.0))) * (size, size)
    canvas.polygon(canvas.billboard(tree.x, tree.z, trunk), paint.trunk, VEGETATION, tree.z)
    slim = 0.75 + 0.5 * tree.style[1]
    turn = 6.283 * tree.style[2]
    for ring, light in ((1.25, 0.74), (0.85, 0.92), (0.45, 1.1)):
        for step in range(5):
            angle = turn + step * 2.513 / 2 * 2
            x = slim * size * ring * np.cos(angle)
            y = size * (4.4 + 0.95 * ring * np.sin(angle) + (1.25 - ring) * 0.6)
            tuft = disc(x, y, size * (0.6 + 0.55 * ring * 0.9), corners=10)
            canvas.polygon(
                canvas.billboard(tree.x, tree.z, tuft), shade(leaf, light), VEGETATION, tree.z
            )
