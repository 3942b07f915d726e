"""The crop of rare-class sampling: repeated until the drawn class is shown."""

from __future__ import annotations

import numpy as np
import pytest
from mmseg.datasets.transforms import RandomCrop

from dts.datasets.streams import seeded
from dts.datasets.transforms.rare_class_crop import RareClassCrop

SIZE = (40, 60)


def sample(drawn_class: int | None = None) -> dict:
    """An image whose lower right corner, 10x10, is class 3; pixels hold their place."""
    labels = np.zeros(SIZE, np.uint8)
    labels[20:, :30] = 1
    labels[30:, 50:] = 3
    labels[:8], labels[20:, :8] = 255, 255  # ignored: no part of the share of a class
    image = np.arange(SIZE[0] * SIZE[1], dtype=np.int32).reshape(*SIZE, 1)
    results = dict(img=image, gt_seg_map=labels, seg_fields=['gt_seg_map'])
    return results if drawn_class is None else results | dict(drawn_class=drawn_class)


def crop(transform: RandomCrop, results: dict, seed: int) -> dict:
    with seeded(seed):
        return transform(results)


def test_without_a_drawn_class_it_is_the_crop_of_mmseg() -> None:
    for ratio in (1.0, 0.75):
        for seed in range(20):
            ours = crop(RareClassCrop((16, 16), ratio, min_pixels=5), sample(), seed)
            stock = crop(RandomCrop((16, 16), ratio), sample(), seed)
            assert (ours['img'] == stock['img']).all()
            assert ours['img_shape'] == stock['img_shape'] == (16, 16)


def test_equals_a_loop_over_crops_of_mmseg() -> None:
    stock = RandomCrop((16, 16), 0.75)
    num_repeated = 0
    for seed in range(60):
        ours = crop(RareClassCrop((16, 16), 0.75, min_pixels=20), sample(3), seed)
        with seeded(seed):
            for attempt in range(11):
                expected = stock(sample())
                num_repeated += attempt > 0
                if (expected['gt_seg_map'] == 3).sum() > 20:
                    break
        assert (ours['img'] == expected['img']).all()
        assert (ours['gt_seg_map'] == expected['gt_seg_map']).all()
    assert num_repeated > 20


def test_more_than_min_pixels_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = iter([0, 0, 24, 38, 24, 39])  # down, right: 0, 40 and 50 pixels of class 3
    monkeypatch.setattr(np.random, 'randint', lambda low, high: next(offsets))
    assert RareClassCrop((16, 16), min_pixels=40).crop_bbox(sample(3)) == (24, 40, 39, 55)


def test_ten_repetitions_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = iter([0, 0] * 10 + [7, 5])
    monkeypatch.setattr(np.random, 'randint', lambda low, high: next(offsets))
    assert RareClassCrop((16, 16), min_pixels=5).crop_bbox(sample(3)) == (7, 23, 5, 21)
    assert not list(offsets)


def test_the_class_is_shown_as_often_as_eleven_crops_allow() -> None:
    labels = sample()['gt_seg_map']
    places = [labels[y : y + 16, x : x + 16] for y in range(25) for x in range(45)]
    chance = np.mean([(place == 3).sum() > 30 for place in places])
    transform = RareClassCrop((16, 16), min_pixels=30)
    shown = [
        (crop(transform, sample(3), seed)['gt_seg_map'] == 3).sum() > 30 for seed in range(400)
    ]
    expected = 1 - (1 - chance) ** 11
    assert np.mean(shown) == pytest.approx(expected, abs=0.07)  # three standard deviations
