"""Layout of a toy city street: what stands where, in meters, before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Range = tuple[float, float]

FAR = 95.0  # depth at which the street ends, meters
LANE_SLOTS = (5.5, 9.5, 14.5, 20.0, 26.5, 34.0, 43.0, 55.0)  # depths of cars in one lane, meters
PARKING_WIDTH = 10.5  # of a road with room to park at both sides, meters
CROSSING_SHARE = 0.08  # of the cars in the inner lanes, where they have CROSSING_ROOM
CROSSING_ROOM = 2.2  # from the middle of the car to the kerb, meters
CROSSING_DEPTH = 12.0  # least depth of a car that crosses, meters
OWN_LANE = 1.7  # cars less to the side than this keep OWN_DEPTH from the camera, meters
OWN_DEPTH = 8.0
JAYWALKER_SHARE = 0.15  # of the persons are on the road, the others on the pavements
CHILD_SHARE = 0.1


@dataclass(frozen=True)
class Traits:
    """Statistics of the scenes of one look; lengths in meters, ranges are (low, high)."""

    road_width: Range
    pavement_width: Range
    building_height: Range
    building_length: Range
    gap_share: float  # share of the plots that hold trees, not a building
    num_cars: tuple[int, int]
    num_persons: tuple[int, int]
    num_signs: tuple[int, int]
    num_trees: tuple[int, int]
    camera_height: Range
    horizon: Range  # share of the image height above the horizon
    sideways: float  # largest offset of the vanishing point, share of the image width


@dataclass(frozen=True)
class Camera:
    """Pinhole camera that looks along the street; x right, y up, z forward, in meters."""

    focal: float
    center: float  # column of the vanishing point
    horizon: float  # row of the vanishing point
    height: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project world points to pixels.

        Args:
            points: (..., 3) world coordinates; depths below 0.5 m are moved to 0.5 m.

        Returns:
            (..., 2) float columns and rows, not clipped to the image.
        """
        depth = np.maximum(points[..., 2], 0.5)
        pixels = np.empty((*points.shape[:-1], 2))
        pixels[..., 0] = self.center + self.focal * points[..., 0] / depth
        pixels[..., 1] = self.horizon + self.focal * (self.height - points[..., 1]) / depth
        return pixels


@dataclass(frozen=True)
class Thing:
    """Something that stands on the ground.

    ``style`` holds four numbers in [0, 1) that the drawing picks color and shape from.
    """

    kind: str  # car, person, sign or tree
    x: float
    z: float
    size: float
    yaw: float
    style: tuple[float, ...]


@dataclass(frozen=True)
class Building:
    """A block beside the pavement, from ``near`` to ``far``; ``side`` is -1 (left) or 1 (right)."""

    side: int
    x: float
    near: float
    far: float
    height: float
    style: tuple[float, ...]


@dataclass
class Scene:
    """One street: camera, ground edges and what stands there."""

    camera: Camera
    road: Range  # left and right edge
    pavements: Range  # outer edges of the left and right pavement
    buildings: list[Building] = field(default_factory=list)
    backdrop: list[Thing] = field(default_factory=list)  # trees beyond the pavements
    things: list[Thing] = field(default_factory=list)  # on road and pavements


def make_scene(rng: np.random.Generator, traits: Traits, height: int, width: int) -> Scene:
    """Draw one street at random.

    Args:
        rng: the only source of randomness.
        traits: statistics to draw from.
        height: rows of the image.
        width: columns of the image.

    Returns:
        The scene. Cars stand on the road, persons and signs on road or pavement.
    """
    camera = Camera(
        focal=width * 0.5 * rng.uniform(0.95, 1.15),
        center=width * (0.5 + traits.sideways * rng.uniform(-1, 1)),
        horizon=height * rng.uniform(*traits.horizon),
        height=rng.uniform(*traits.camera_height),
    )
    road_width = rng.uniform(*traits.road_width)
    left = -road_width * rng.uniform(0.5, 0.7)  # the camera drives on the right
    road = (left, left + road_width)
    pavements = (
        road[0] - rng.uniform(*traits.pavement_width),
        road[1] + rng.uniform(*traits.pavement_width),
    )
    scene = Scene(camera, road, pavements)
    for side, edge in ((-1, pavements[0]), (1, pavements[1])):
        _add_plots(rng, traits, scene, side, edge)
    _add_cars(rng, traits, scene)
    _add_walkers_and_signs(rng, traits, scene)
    _add_trees(rng, traits, scene)
    return scene


def _add_plots(
    rng: np.random.Generator, traits: Traits, scene: Scene, side: int, edge: float
) -> None:
    """Fill one side of the street with buildings and small parks."""
    near = rng.uniform(-6.0, 2.0)
    while near < FAR:
        far = near + rng.uniform(*traits.building_length)
        if rng.random() < traits.gap_share:
            for depth in np.arange(max(near, 3.0) + 1.0, far, 4.0):
                x = edge + side * rng.uniform(1.0, 4.0)
                scene.backdrop.append(_thing(rng, 'tree', x, float(depth), rng.uniform(0.8, 1.3)))
        elif far > 1.0:
            setback = edge + side * rng.uniform(0.0, 0.8)
            tall = rng.uniform(*traits.building_height)
            scene.buildings.append(Building(side, setback, near, far, tall, _style(rng)))
        near = far + rng.choice((0.0, 0.0, 2.0))


def _add_cars(rng: np.random.Generator, traits: Traits, scene: Scene) -> None:
    """Send cars along two lanes and, on wide roads, park some at the kerbs; one car a slot."""
    left, right = scene.road
    width = right - left
    if width < PARKING_WIDTH:
        lanes = [left + 0.25 * width, right - 0.25 * width]
    else:
        lanes = [left + 1.15, right - 1.15, left + 0.31 * width, right - 0.31 * width]
    slots = [
        (lane, slot)
        for lane in lanes
        for slot in LANE_SLOTS
        if abs(lane) > OWN_LANE or slot > OWN_DEPTH
    ]
    number = int(rng.integers(traits.num_cars[0], traits.num_cars[1] + 1))
    # Near slots are drawn more often: far cars are only a few pixels.
    weights = np.array([1.0 / depth**0.5 for _, depth in slots])
    shares = weights / weights.sum()
    chosen = rng.choice(len(slots), min(number, len(slots)), replace=False, p=shares)
    for lane, depth in (slots[i] for i in chosen):
        away = lane > (left + right) / 2
        yaw = (0.0 if away else np.pi) + rng.normal(0.0, 0.06)
        has_room = depth > CROSSING_DEPTH and min(lane - left, right - lane) > CROSSING_ROOM
        if has_room and rng.random() < CROSSING_SHARE:
            yaw += np.pi / 2  # crosses the street
        z = depth + rng.uniform(-0.6, 0.6)
        scene.things.append(_thing(rng, 'car', lane, z, rng.uniform(0.92, 1.12), float(yaw)))


def _add_walkers_and_signs(rng: np.random.Generator, traits: Traits, scene: Scene) -> None:
    """Put persons on the pavements, a few on the road, and signs at the kerbs."""
    for _ in range(int(rng.integers(traits.num_persons[0], traits.num_persons[1] + 1))):
        z = 4.5 + 13.5 * rng.random() ** 1.3
        if rng.random() < JAYWALKER_SHARE:
            x, z = _between(rng, scene.road, 0.6), max(z, 9.0)
        else:
            x = _between(rng, _pavement(scene, rng), 0.6)
        size = rng.uniform(1.5, 1.9) * (0.7 if rng.random() < CHILD_SHARE else 1.0)
        scene.things.append(_thing(rng, 'person', x, float(z), size))
    for _ in range(int(rng.integers(traits.num_signs[0], traits.num_signs[1] + 1))):
        pavement = _pavement(scene, rng)
        kerb = min(pavement, key=abs)
        x = kerb + np.sign(kerb) * 0.35
        z = 5.0 + 13.0 * rng.random() ** 1.3
        scene.things.append(_thing(rng, 'sign', float(x), float(z), rng.uniform(2.3, 3.1)))


def _add_trees(rng: np.random.Generator, traits: Traits, scene: Scene) -> None:
    """Plant street trees on the pavements."""
    for _ in range(int(rng.integers(traits.num_trees[0], traits.num_trees[1] + 1))):
        inner, outer = sorted(_pavement(scene, rng), key=abs)
        x = inner + (outer - inner) * rng.uniform(0.3, 0.9)
        z = rng.uniform(9.0, 50.0)
        scene.things.append(_thing(rng, 'tree', float(x), float(z), rng.uniform(0.7, 1.1)))


def _pavement(scene: Scene, rng: np.random.Generator) -> Range:
    """Pick one of the two pavements and return its left and right edge."""
    left, right = (scene.pavements[0], scene.road[0]), (scene.road[1], scene.pavements[1])
    return left if rng.integers(2) else right


def _between(rng: np.random.Generator, edges: Sequence[float], margin: float) -> float:
    """Draw a position that keeps a margin to both edges."""
    return float(rng.uniform(edges[0] + margin, edges[1] - margin))


def _thing(
    rng: np.random.Generator, kind: str, x: float, z: float, size: float, yaw: float = 0.0
) -> Thing:
    """Add a style to a placement."""
    return Thing(kind, x, z, size, yaw, _style(rng))


def _style(rng: np.random.Generator) -> tuple[float, ...]:
    """Draw the four numbers of a style."""
    return tuple(rng.random(4).tolist())
