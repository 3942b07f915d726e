"""Masks from COCO annotations: by hand, and pixel for pixel those of pycocotools."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from dts.datasets.coco_masks import (
    decode_run_lengths,
    polygon_mask,
    region_mask,
    render_labels,
)


def test_rectangle_fills_the_pixels_whose_centers_it_holds() -> None:
    mask = polygon_mask([1, 2, 4, 2, 4, 5, 1, 5], height=6, width=7)
    expected = np.zeros((6, 7), np.bool_)
    expected[2:5, 1:4] = True
    assert (mask == expected).all()
    # moved by 0.4 pixels no center is gained or lost
    assert (polygon_mask([1.4, 2.4, 4.4, 2.4, 4.4, 5.4, 1.4, 5.4], 6, 7) == expected).all()


def test_rectangle_beyond_the_image_is_cut() -> None:
    assert polygon_mask([-5, -5, 99, -5, 99, 99, -5, 99], height=4, width=3).all()
    assert not polygon_mask([9, 9, 12, 9, 12, 12], height=4, width=3).any()


def test_triangle_fills_half_a_square() -> None:
    mask = polygon_mask([0, 0, 8, 0, 0, 8], height=8, width=8)
    rows, columns = np.mgrid[:8, :8]
    inner, outer = rows + columns < 7, rows + columns < 8
    assert (mask[inner]).all()
    assert not mask[~outer].any()


def reference_polygon(xy: list[float], h: int, w: int) -> np.ndarray:
    """rleFrPoly of cocodataset/cocoapi common/maskApi.c, step by step."""
    scale, k = 5, len(xy) // 2
    x = [int(scale * xy[2 * j] + 0.5) for j in range(k)]
    y = [int(scale * xy[2 * j + 1] + 0.5) for j in range(k)]
    u, v = [], []
    for j in range(k):
        xs, xe, ys, ye = x[j], x[(j + 1) % k], y[j], y[(j + 1) % k]
        dx, dy = abs(xe - xs), abs(ye - ys)
        flip = (dx >= dy and xs > xe) or (dx < dy and ys > ye)
        if flip:
            xs, xe, ys, ye = xe, xs, ye, ys
        for d in range(max(dx, dy) + 1):
            t = max(dx, dy) - d if flip else d
            if dx >= dy:
                slope = (ye - ys) / dx if dx else 0.0
                u.append(t + xs)
                v.append(int(ys + slope * t + 0.5))
            else:
                v.append(t + ys)
                u.append(int(xs + (xe - xs) / dy * t + 0.5))
    turns = []
    for j in range(1, len(u)):
        if u[j] == u[j - 1]:
            continue
        xd = ((u[j] if u[j] < u[j - 1] else u[j] - 1) + 0.5) / scale - 0.5
        if math.floor(xd) != xd or xd < 0 or xd > w - 1:
            continue
        yd = (min(v[j], v[j - 1]) + 0.5) / scale - 0.5
        turns.append(int(xd) * h + math.ceil(min(max(yd, 0), h)))
    inside = [sum(turn <= place for turn in turns) % 2 == 1 for place in range(h * w)]
    return np.reshape(inside, (w, h)).T


def random_polygons(number: int) -> list[tuple[list[float], int, int]]:
    """Polygons with crossings, corners outside, whole and half numbers, and double corners."""
    rng = np.random.default_rng(0)
    cases = []
    for index in range(number):
        h, w = (int(side) for side in rng.integers(1, 24, 2))
        points = rng.uniform(-3, max(h, w) + 3, (int(rng.integers(3, 9)), 2))
        points = (points, points.round(2), points.round(), (2 * points).round() / 2)[index % 4]
        points[1] = points[0] if index % 3 == 0 else points[1]
        cases.append((points.ravel().tolist(), h, w))
    return cases


def test_equals_the_loops_of_the_reference() -> None:
    areas = []
    for polygon, h, w in random_polygons(120):
        mask = polygon_mask(polygon, h, w)
        assert (mask == reference_polygon(polygon, h, w)).all()
        areas.append(int(mask.sum()))
    assert sum(area > 0 for area in areas) > 90


def test_equals_pycocotools() -> None:
    """Digest made with pycocotools 2.0.11: decode(merge(frPyObjects([polygon], h, w)))."""
    masks = [np.packbits(polygon_mask(*case)).tobytes() for case in random_polygons(400)]
    digest = hashlib.sha256(b''.join(masks)).hexdigest()
    assert digest == 'cc37da48427b17d7fc3ab1f8e1fb2f49eca72ed7121057a73fe1aa8a4fc95efa'


@pytest.mark.parametrize('polygon', [[0, 0, 4, 4], [0, 0, 4, 4, 2]])
def test_polygon_needs_three_pairs(polygon: list[float]) -> None:
    with pytest.raises(ValueError, match=f'a polygon of {len(polygon)} numbers'):
        polygon_mask(polygon, 8, 8)


def test_run_lengths_go_down_the_columns_and_begin_outside() -> None:
    mask = decode_run_lengths([0, 2, 3, 1], height=3, width=2)
    assert mask.tolist() == [[True, False], [True, False], [False, True]]
    with pytest.raises(ValueError, match='runs of 5 pixels, the image has 6'):
        decode_run_lengths([2, 3], 3, 2)
    with pytest.raises(ValueError, match='compressed run lengths'):
        decode_run_lengths('abc', 3, 2)


def test_run_lengths_of_another_image_are_refused() -> None:
    with pytest.raises(ValueError, match=r'height and width \[2, 3\], the image has \[3, 2\]'):
        region_mask({'size': [2, 3], 'counts': [6]}, 3, 2)


def square(left: int, upper: int, side: int) -> list[list[float]]:
    """One polygon around a square."""
    right, lower = left + side, upper + side
    return [[left, upper, right, upper, right, lower, left, lower]]


def test_polygons_of_one_object_are_united() -> None:
    both = square(0, 0, 4) + square(2, 2, 4)
    assert region_mask(both, 6, 6).sum() == 16 + 16 - 4


@pytest.mark.parametrize('order', [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_small_objects_lie_on_large_ones_and_crowds_below_all(order: tuple[int, ...]) -> None:
    annotations = [
        {'id': 1, 'category_id': 70, 'iscrowd': 0, 'segmentation': square(0, 0, 6)},
        {'id': 2, 'category_id': 30, 'iscrowd': 0, 'segmentation': square(4, 4, 3)},
        {
            'id': 3,
            'category_id': 70,
            'iscrowd': 1,
            'segmentation': {'size': [8, 8], 'counts': [40, 24]},  # columns 5..7
        },
    ]
    labels = render_labels([annotations[i] for i in order], {70: 2, 30: 9}, 8, 8)
    expected = np.zeros((8, 8), np.uint8)
    expected[:, 5:] = 255
    expected[:6, :6] = 2
    expected[4:7, 4:7] = 9
    assert (labels == expected).all()


def test_image_without_annotation_is_background() -> None:
    assert not render_labels([], {1: 1}, 3, 4).any()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'category_id': 12}, 'annotation 7: no entry 12'),
        ({'segmentation': [[1, 2]]}, 'annotation 7: a polygon of 2 numbers'),
        ({'segmentation': None}, 'annotation 7: '),
    ],
)
def test_wrong_annotation_is_named(change: dict, message: str) -> None:
    annotation = {'id': 7, 'category_id': 1, 'iscrowd': 0, 'segmentation': square(0, 0, 2)}
    with pytest.raises(ValueError, match=message):
        render_labels([annotation | change], {1: 1}, 8, 8)
