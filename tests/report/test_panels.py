"""Pictures: what a pixel's color says, and which images are shown."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
import torch

from dts.report.final import ImageResult, pick
from dts.report.panels import (
    MAX_WIDTH,
    compared_pair,
    confidence_map,
    differing_share,
    draw_cells,
    error_map,
)
from dts.report.predict import ImageMaps

PALETTE = np.array([[0, 0, 0], [200, 0, 0]], np.uint8)


def maps(labels, student, teacher, confidence=0.5) -> ImageMaps:
    arrays = [np.array(x, np.uint8) for x in (labels, student, teacher)]
    shape = arrays[0].shape
    return ImageMaps(
        path='a.png',
        image=np.full((*shape, 3), 100, np.uint8),
        labels=arrays[0],
        predictions={'student': arrays[1], 'teacher': arrays[2]},
        confidences={
            name: np.full(shape, confidence, np.float32) for name in ('student', 'teacher')
        },
        matrices={name: torch.eye(2).long() for name in ('student', 'teacher')},
    )


def test_errors_have_four_colors_and_white_without_label():
    labels, first, second = (
        np.array([row], np.uint8) for row in ([1, 1, 1, 1, 255], [1, 1, 0, 0, 1], [1, 0, 1, 0, 1])
    )
    rgb = error_map(labels, first, second)[0, :, ::-1].tolist()
    grey, blue, orange, dark, white = rgb
    assert grey == [232] * 3
    assert blue == [0, 114, 178]  # only the first is right
    assert orange == [230, 159, 0]  # only the second
    assert dark == [64] * 3
    assert white == [255] * 3


def test_confidence_is_brightness():
    drawn = confidence_map(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert drawn.tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_differing_share_counts_pixels():
    image = maps([[0, 0, 255, 0]], [[0, 1, 1, 0]], [[0, 0, 0, 0]])
    assert differing_share(image, ('student', 'teacher')) == 0.5


@pytest.mark.parametrize(
    ('names', 'pair'),
    [
        (['student'], None),
        (['teacher', 'student'], ('student', 'teacher')),
        (['student', 'student_2', 'teacher.0'], ('student', 'teacher.0')),
        (['teacher_with_labels', 'teacher_zeroed'], ('teacher_with_labels', 'teacher_zeroed')),
    ],
)
def test_student_and_first_teacher_are_compared(names, pair):
    assert compared_pair(dict.fromkeys(names)) == pair


def test_cells_are_small_pictures_in_order():
    labels = np.zeros((2, 2 * MAX_WIDTH), np.uint8)
    cells = draw_cells(maps(labels, labels, labels), PALETTE, ('student', 'teacher'))
    captions = [cell.caption for cell in cells]
    assert captions == [
        'image', 'label', 'student', 'teacher', 'difference: student / teacher',
        'confidence: student',
    ]  # fmt: skip
    for cell in cells:
        content = base64.b64decode(cell.uri.partition('base64,')[2])
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (1, MAX_WIDTH, 3)
    assert picture.mean() == pytest.approx(128, abs=2)  # confidence of one half


def results(mious, differing=()):
    shares = dict(enumerate(differing))
    return [
        ImageResult(path=str(i), miou={'student': m}, differing=shares.get(i), cells=[])
        for i, m in enumerate(mious)
    ]


def chosen(*args, **kwargs):
    return [(reason, image.path) for reason, image in pick(*args, **kwargs)]


def test_best_worst_and_most_differing_images_are_picked_once():
    images = results([10.0, 90.0, 50.0, float('nan')], [0.9, 0.1, 0.2, 1.0])
    assert chosen(images, 'student', None, count=1) == [
        ('Best', '1'),
        ('Worst', '0'),
        ('Most changed', '2'),
    ]
    assert len(chosen(images, 'student', None)) == 3  # no image without a label, none twice


def test_changes_are_measured_against_the_reference_whatever_their_sign():
    images = results([50.0, 60.0, 70.0, 80.0, 30.0], [0.5] * 5)
    reference = {'1': 60.0, '2': 50.0, '0': 95.0}
    found = chosen(images, 'student', reference, count=1)
    assert found == [('Best', '3'), ('Worst', '4'), ('Most changed', '0')]
    unchanged = {image.path: image.miou['student'] for image in images}
    assert chosen(images, 'student', unchanged, count=1) == found[:2]
