"""Photometric views: values, seeding, and the settings that are refused."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import albumentations as A
import numpy as np
import pytest
from numpy.typing import NDArray

from dts.datasets.transforms.albumentations import Albumentations

RED_BGR = (0, 0, 255)
JITTER = {'brightness': 0.5, 'contrast': 0.5, 'saturation': 0.5, 'hue': 0.25, 'p': 1.0}


def noise() -> NDArray[np.uint8]:
    """Return a fixed random image."""
    return np.random.default_rng(7).integers(0, 256, (30, 44, 3), dtype=np.uint8)


def one_color(*bgr: int) -> NDArray[np.uint8]:
    """Return an image of one color."""
    return np.full((6, 5, 3), bgr, np.uint8)


def apply(
    image: NDArray[np.uint8], *transforms: dict[str, Any], seed: int | None = None
) -> NDArray[np.uint8]:
    """Apply transforms, after seeding NumPy if a seed is given."""
    if seed is not None:
        np.random.seed(seed)
    return Albumentations(list(transforms))({'img': image})['img']


@pytest.mark.parametrize(
    ('bgr', 'luma'), [((0, 0, 255), 76), ((0, 255, 0), 150), ((255, 0, 0), 29)]
)
def test_colors_are_seen_as_rgb(bgr: tuple[int, int, int], luma: int) -> None:
    """Gray is 0.299 R + 0.587 G + 0.114 B: 76, 150 and 29 for the three pure colors."""
    gray = apply(one_color(*bgr), {'type': 'ToGray', 'p': 1.0})
    assert (gray == luma).all()


def test_channels_come_back_in_their_order() -> None:
    inverted = apply(one_color(10, 20, 30), {'type': 'InvertImg', 'p': 1.0})
    assert (inverted == (245, 235, 225)).all()


@pytest.mark.parametrize('name', ['ColorJitter', 'RandomBrightnessContrast'])
def test_view_equals_albumentations_called_directly(name: str) -> None:
    arguments = JITTER if name == 'ColorJitter' else {'p': 1.0}
    view = apply(noise(), {'type': name, **arguments}, seed=11)
    seed = int(np.random.RandomState(11).randint(2**32, dtype=np.int64))
    direct = A.Compose([getattr(A, name)(**arguments)])
    direct.set_random_state(np.random.default_rng(seed), random.Random(seed))
    expected = direct(image=noise()[..., ::-1].copy())['image'][..., ::-1]
    assert (view == expected).all()
    assert (view != noise()).mean() > 0.5


def test_image_is_a_function_of_numpy_state_alone() -> None:
    view = Albumentations([{'type': 'ColorJitter', **JITTER}, {'type': 'GaussianBlur'}])
    images = []
    for attempt in range(3):
        random.seed(attempt)  # albumentations' own generators and Python's play no part
        view({'img': noise()})
        np.random.seed(5)
        images.append(view({'img': noise()})['img'])
    assert (images[0] == images[1]).all()
    assert (images[0] == images[2]).all()
    next_image = view({'img': noise()})['img']  # the state has moved on
    assert (next_image != images[0]).any()


def test_draws_of_different_transforms_are_independent() -> None:
    view = Albumentations([{'type': 'ToGray', 'p': 0.5}, {'type': 'InvertImg', 'p': 0.5}])
    np.random.seed(0)
    outcomes = Counter(
        tuple(view({'img': one_color(*RED_BGR)})['img'][0, 0].tolist()) for _ in range(400)
    )
    # neither, gray, inverted, gray and inverted: 100 each is expected, 5 deviations are 43
    assert set(outcomes) == {(0, 0, 255), (76, 76, 76), (255, 255, 0), (179, 179, 179)}
    assert all(abs(count - 100) < 43 for count in outcomes.values())


def test_probability_is_kept() -> None:
    view = Albumentations([{'type': 'InvertImg', 'p': 0.2}])
    np.random.seed(0)
    inverted = sum(view({'img': one_color(0, 0, 0)})['img'].max() == 255 for _ in range(1000))
    assert abs(inverted - 200) < 64  # 5 standard deviations


def test_given_image_and_labels_stay_untouched() -> None:
    image, labels = noise(), np.arange(30 * 44).reshape(30, 44)
    results = {'img': image, 'gt_seg_map': labels}
    out = Albumentations([{'type': 'InvertImg', 'p': 1.0}])(results)
    assert (image == noise()).all()
    assert out['gt_seg_map'] is labels


def test_nested_choice_takes_exactly_one() -> None:
    choice = {
        'type': 'OneOf',
        'transforms': [{'type': 'ToGray', 'p': 1.0}, {'type': 'InvertImg', 'p': 1.0}],
        'p': 1.0,
    }
    seen = {tuple(apply(one_color(*RED_BGR), choice, seed=s)[0, 0].tolist()) for s in range(20)}
    assert seen == {(76, 76, 76), (255, 255, 0)}


@pytest.mark.parametrize(
    ('transform', 'message'),
    [
        ({'type': 'ColourJitter'}, "no transform 'ColourJitter'"),
        ({'type': 'Compose3'}, 'no transform'),
        ({'p': 0.5}, r'needs `type`'),
        ({'type': 'ColorJitter', 'gamma': 2}, r'ColorJitter got wrong arguments.*gamma'),
        (
            {'type': 'ColorJitter', 'brightness': -3},
            r'(?s)ColorJitter got wrong arguments.*brightness',
        ),
        ({'type': 'OneOf', 'transforms': [], 'q': 1}, r'OneOf got wrong arguments.*q'),
        ({'type': 'HorizontalFlip'}, 'HorizontalFlip is not photometric.*before dts.Branches'),
        ({'type': 'RandomCrop', 'height': 3, 'width': 3}, 'RandomCrop is not photometric'),
        (
            {'type': 'OneOf', 'transforms': [{'type': 'Rotate'}]},
            'Rotate is not photometric',
        ),
    ],
)
def test_wrong_settings_are_refused_at_construction(
    transform: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Albumentations([transform])


@pytest.mark.parametrize(
    'transform', [{'type': 'Normalize'}, {'type': 'ToGray', 'num_output_channels': 1, 'p': 1.0}]
)
def test_result_of_another_type_or_shape_is_refused(transform: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='Expected the same type and shape'):
        apply(noise(), transform)
