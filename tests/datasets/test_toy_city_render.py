"""Images of the toy city: reproducible, every pixel labelled, streets as they should be."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest

from dts.datasets.toy_city_canvas import CLASSES
from dts.datasets.toy_city_looks import LOOKS
from dts.datasets.toy_city_render import draw_scene, render
from dts.datasets.toy_city_scene import Camera, Thing, make_scene

ROAD, PAVEMENT, SKY, CAR, PERSON = (
    CLASSES.index(name) for name in ('road', 'pavement', 'sky', 'car', 'person')
)
SIZE = (128, 256)
NUM_IMAGES = 16
RNG = partial(np.random.default_rng, 0)


@pytest.fixture(scope='module')
def images() -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Some images with labels of both looks."""
    return {
        look: [render(look, (7, 0, index), *SIZE) for index in range(NUM_IMAGES)] for look in LOOKS
    }


@pytest.mark.parametrize('look', LOOKS)
def test_image_is_a_function_of_its_key_alone(look: str) -> None:
    first = digest(look, 5)
    np.random.seed(123)
    cv2.setRNGSeed(9)
    render(look, (0, 0, 4), *SIZE)  # what was drawn before has no influence either
    state = np.random.get_state()[1].copy()
    assert digest(look, 5) == first
    assert (np.random.get_state()[1] == state).all()
    assert len({first, digest(look, 6), digest(look, 5, seed=1), digest(look, 5, split=1)}) == 4


@pytest.mark.slow
def test_another_process_draws_the_same_bytes() -> None:
    code = (
        'import hashlib\nfrom dts.datasets.toy_city_render import render\n'
        'for look in ("game", "street"):\n'
        '    image, labels = render(look, (0, 0, 3), 128, 256)\n'
        '    print(hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest())'
    )
    environment = {**os.environ, 'PYTHONHASHSEED': '77'}
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout.split() == [digest('game', 3), digest('street', 3)]


def test_camera_projects_like_a_pinhole() -> None:
    camera = Camera(focal=100.0, center=64.0, horizon=40.0, height=2.0)
    points = np.array(((0.0, 0.0, 10.0), (3.0, 2.0, 5.0), (1.0, 1.0, 0.1)))
    # The last one is moved to a depth of 0.5 m.
    assert camera.project(points).tolist() == [[64.0, 60.0], [124.0, 40.0], [264.0, 240.0]]


@pytest.mark.slow
@pytest.mark.parametrize('look', LOOKS)
def test_every_pixel_has_a_class_and_classes_have_their_shares(
    images: dict[str, list[tuple[np.ndarray, np.ndarray]]], look: str
) -> None:
    labels = np.stack([label for _, label in images[look]])
    shares = np.bincount(labels.ravel(), minlength=256) / labels.size
    assert shares[len(CLASSES) :].sum() == 0
    low = dict(zip(CLASSES, (0.12, 0.03, 0.2, 0.04, 0.04, 0.03, 0.008, 0.008), strict=True))
    high = dict(zip(CLASSES, (0.35, 0.2, 0.55, 0.3, 0.2, 0.25, 0.06, 0.06), strict=True))
    for name, share in zip(CLASSES, shares, strict=False):
        assert low[name] < share < high[name], name
    for index, name in enumerate(CLASSES):
        assert (labels == index).any(axis=(1, 2)).mean() > 0.8, name


@pytest.mark.slow
def test_numbers_of_cars_differ_between_the_looks() -> None:
    numbers = {look: [count_cars(look, index) for index in range(120)] for look in LOOKS}
    assert (min(numbers['game']), max(numbers['game'])) == (2, 6)
    assert (min(numbers['street']), max(numbers['street'])) == (0, 9)


def test_street_is_noisy_and_muted_where_game_is_flat_and_colorful(
    images: dict[str, list[tuple[np.ndarray, np.ndarray]]],
) -> None:
    flat, colorful = {}, {}
    for look, pairs in images.items():
        pictures = np.stack([image for image, _ in pairs]).astype(int)
        flat[look] = (np.abs(np.diff(pictures, axis=2)).sum(-1) == 0).mean()
        colorful[look] = np.mean(pictures.max(-1) - pictures.min(-1))
    assert flat['game'] > 0.5
    assert flat['street'] < 0.05
    assert colorful['game'] > 1.5 * colorful['street']


@pytest.mark.parametrize('look', LOOKS)
def test_an_image_takes_milliseconds(look: str) -> None:
    """Ten times what it takes on one core: only a loop over pixels would fail."""
    seconds = []
    for index in range(8):
        started = time.process_time()
        render(look, (0, 0, index), *SIZE)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.06


@pytest.mark.parametrize('look', LOOKS)
def test_sky_is_above_the_road(
    images: dict[str, list[tuple[np.ndarray, np.ndarray]]], look: str
) -> None:
    for _, labels in images[look]:
        rows = [np.nonzero(labels == name)[0].mean() for name in (SKY, ROAD)]
        assert rows[0] < rows[1]


@pytest.mark.parametrize('look', LOOKS)
def test_things_stand_on_road_and_pavement(look: str) -> None:
    for index in range(50):
        scene = make_scene(np.random.default_rng(index), LOOKS[look].traits, *SIZE)
        assert scene.pavements[0] < scene.road[0] < 0 < scene.road[1] < scene.pavements[1]
        for thing in scene.things:
            left, right = scene.road if thing.kind == 'car' else scene.pavements
            assert left < thing.x < right
            if thing.kind in ('sign', 'tree'):
                assert not scene.road[0] < thing.x < scene.road[1]


@pytest.mark.slow
@pytest.mark.parametrize('look', LOOKS)
def test_cars_and_persons_do_not_float(look: str) -> None:
    """Each is drawn without the others, so nothing hides its feet."""
    kind = LOOKS[look]
    checked = {'car': 0, 'person': 0}
    for index in range(8):
        scene = make_scene(np.random.default_rng(index), kind.traits, *SIZE)
        for thing in scene.things:
            if thing.kind not in checked:
                continue
            alone = replace(scene, things=[thing], backdrop=[])
            canvas = draw_scene(alone, replace(kind, is_photo=False), *SIZE, RNG())
            labels = canvas.labels[..., 0]
            rows, columns = np.nonzero(labels == (CAR if thing.kind == 'car' else PERSON))
            is_whole = len(rows) and columns.min() > 0 and columns.max() + 1 < SIZE[1]
            if is_whole and rows.max() + 1 < SIZE[0]:
                checked[thing.kind] += 1
                assert abs(rows.max() - foot_row(scene.camera, thing)) < 1.6
                below = labels[rows.max() + 1, columns[rows == rows.max()]]
                assert np.isin(below, (ROAD, PAVEMENT)).all()
    assert min(checked.values()) > 10


def test_near_things_hide_far_ones() -> None:
    scene = make_scene(RNG(), LOOKS['game'].traits, *SIZE)
    near = Thing('car', x=0.0, z=8.0, size=1.0, yaw=0.0, style=(0.0, 0.9, 0.0, 0.0))
    far = replace(near, kind='person', z=14.0, size=0.8)
    for things in ([near, far], [far, near]):
        canvas = draw_scene(replace(scene, things=things), LOOKS['game'], *SIZE, RNG())
        assert (canvas.labels[..., 0] == CAR).sum() > 200
        assert (canvas.labels[..., 0] == PERSON).sum() == 0
    alone = draw_scene(replace(scene, things=[far]), LOOKS['game'], *SIZE, RNG())
    assert (alone.labels[..., 0] == PERSON).sum() > 10


def foot_row(camera: Camera, thing: Thing) -> float:
    """Return the row where the nearest foot or tire meets the ground."""
    along, across = (2.0, 0.83) if thing.kind == 'car' else (0.0, 0.0)
    reach = along * abs(np.cos(thing.yaw)) + across * abs(np.sin(thing.yaw))
    return camera.horizon + camera.focal * camera.height / (thing.z - thing.size * reach)


def digest(look: str, index: int, *, seed: int = 0, split: int = 0) -> str:
    """Return a fingerprint of an image and its labels."""
    image, labels = render(look, (seed, split, index), *SIZE)
    return hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()


def count_cars(look: str, index: int) -> int:
    """Count the cars of a scene."""
    scene = make_scene(np.random.default_rng(index), LOOKS[look].traits, *SIZE)
    return sum(thing.kind == 'car' for thing in scene.things)
