"""Rare-class sampling: probabilities by hand, draws by frequency, positions and ranks."""

from __future__ import annotations

import itertools
import math
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dts.datasets import sampler as sampler_module
from dts.datasets.rare_class import RareClassDraw, class_probabilities
from dts.datasets.sampler import RatioSampler

CLASSES = ('road', 'car', 'train')
# Pixels of three classes in five images; car 30 %, train 10 % of 200.
COUNTS = np.array([[40, 10, 0], [30, 10, 0], [20, 20, 0], [20, 15, 5], [10, 5, 15]])


class Stream(list):
    """Stands for a data set."""


def test_probabilities_by_hand() -> None:
    pixels = np.array([500, 300, 150, 50])  # f = 0.5, 0.3, 0.15, 0.05
    warm = class_probabilities(pixels, 0.1)
    weights = [math.exp(-f / 0.1) for f in (0.5, 0.3, 0.15, 0.05)]
    assert warm == pytest.approx([w / sum(weights) for w in weights], rel=1e-12)
    assert warm == pytest.approx([0.008, 0.056, 0.252, 0.684], abs=5e-4)
    cold = class_probabilities(pixels, 0.01)
    assert cold[3] == pytest.approx(0.99995, abs=5e-6)
    assert cold.sum() == pytest.approx(1, rel=1e-12)


def test_absent_classes_are_never_drawn_and_do_not_count() -> None:
    pixels = np.array([0, 500, 300, 150, 50, 0])
    assert class_probabilities(pixels, 0.1)[1:5] == pytest.approx(
        class_probabilities(pixels[1:5], 0.1)
    )
    assert class_probabilities(pixels, 0.1)[[0, 5]].tolist() == [0, 0]
    assert class_probabilities(np.array([0, 7]), 1e-6).tolist() == [0, 1]


def test_large_counts_and_small_temperatures_do_not_overflow() -> None:
    probabilities = class_probabilities(np.array([10**12, 1]), 1e-4)
    assert probabilities.tolist() == [0, 1]


@pytest.mark.slow
def test_frequencies_of_classes_and_images() -> None:
    draw = RareClassDraw(COUNTS, CLASSES, temperature=0.5, min_pixels=9)
    num = 20_000
    drawn = [draw.draw(seed) for seed in range(num)]
    classes = np.bincount([c for c, _ in drawn], minlength=3) / num
    weights = np.exp(-np.array([0.6, 0.3, 0.1]) / 0.5)
    assert classes == pytest.approx(weights / weights.sum(), abs=0.015)
    for c, images in enumerate(([0, 1, 2, 3, 4], [0, 1, 2, 3], [4])):
        found = np.bincount([image for drawn_c, image in drawn if drawn_c == c], minlength=5)
        assert np.flatnonzero(found).tolist() == images
        share = found[images] / found.sum()
        assert share == pytest.approx(1 / len(images), abs=0.02)


def test_images_need_more_than_min_pixels() -> None:
    assert RareClassDraw(COUNTS, CLASSES, min_pixels=10).images[1].tolist() == [2, 3]
    assert RareClassDraw(COUNTS, CLASSES, min_pixels=9).images[1].tolist() == [0, 1, 2, 3]


def test_a_class_without_an_image_is_named() -> None:
    with pytest.raises(ValueError, match=r"class 'train' .* more than 15 pixels .* best has 15"):
        RareClassDraw(COUNTS, CLASSES, min_pixels=15)
    absent = COUNTS * [1, 1, 0]
    assert RareClassDraw(absent, CLASSES, min_pixels=15).probabilities[2] == 0


@pytest.mark.parametrize('options', [dict(temperature=0), dict(min_pixels=-1)])
def test_options_out_of_range(options: dict) -> None:
    with pytest.raises(ValueError, match='temperature > 0 and min_pixels >= 0'):
        RareClassDraw(COUNTS, CLASSES, **options)
    with pytest.raises(ValueError, match='no labelled pixel'):
        RareClassDraw(COUNTS * 0, CLASSES)


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Streams source (with counts) and target."""
    source = Stream(range(5))
    source.metainfo = dict(classes=CLASSES)
    monkeypatch.setattr('dts.datasets.rare_class.class_counts', lambda dataset, file: COUNTS)
    return SimpleNamespace(streams={'source': source, 'target': range(7)})


def take(dataset: Any, num_batches: int, batch: dict, skip: int = 0, **kwargs: Any) -> list[list]:
    kwargs = {'seed': 0, 'rare_class': {'source': {'min_pixels': 9}}, **kwargs}
    sampler = RatioSampler(dataset, batch, **kwargs)
    sampler.skip(skip)
    size = sum(batch.values())
    samples = list(islice(sampler, num_batches * size))
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def test_skip_equals_iterating(dataset: Any) -> None:
    batch = {'source': 2, 'target': 2}
    assert take(dataset, 5, batch, skip=171) == take(dataset, 176, batch)[171:]


def test_ranks_share_the_samples_of_one_process(
    dataset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = take(dataset, 8, {'source': 2, 'target': 4})
    ranks = []
    for rank in (0, 1):
        monkeypatch.setattr(sampler_module, 'get_dist_info', lambda rank=rank: (rank, 2))
        ranks.append(take(dataset, 8, {'source': 1, 'target': 2}))
    for batch, first, second in zip(alone, *ranks, strict=True):
        # by stream and position: `first` comes before `second` in both streams
        assert batch == first[:1] + second[:1] + first[1:] + second[1:]


def test_the_other_stream_stays_as_it_is(dataset: Any) -> None:
    batch = {'source': 2, 'target': 2}
    with_rare, without = (
        [[s for s in b if s.stream == 'target'] for b in take(dataset, 9, batch, rare_class=rare)]
        for rare in ({'source': {'min_pixels': 9}}, None)
    )
    assert with_rare == without


def test_samples_know_their_class_and_show_it(dataset: Any) -> None:
    for batch in take(dataset, 50, {'source': 2, 'target': 2}):
        for sample in batch[:2]:
            assert COUNTS[sample.item, sample.drawn_class] > 9
        assert [sample.drawn_class for sample in batch[2:]] == [None, None]


def test_seeds_of_augmentations_are_those_of_even_sampling(dataset: Any) -> None:
    batch = {'source': 2, 'target': 2}
    rare = [s.seed for b in take(dataset, 9, batch) for s in b]
    assert rare == [s.seed for b in take(dataset, 9, batch, rare_class=None) for s in b]


def test_draws_change_with_position_and_seed_and_keep_their_shares(dataset: Any) -> None:
    rare_class = {'source': {'min_pixels': 9, 'temperature': 0.5}}
    first, second = (
        [
            (sample.drawn_class, sample.item)
            for (sample,) in take(
                dataset, 3000, {'source': 1, 'target': 0}, seed=seed, rare_class=rare_class
            )
        ]
        for seed in (0, 1)
    )
    assert first != second
    classes = np.bincount([c for c, _ in first], minlength=3) / len(first)
    assert classes == pytest.approx(class_probabilities(COUNTS.sum(axis=0), 0.5), abs=0.03)
    # Neighbors are drawn independently: they agree as often as two draws of the same shares.
    shares = np.unique(first, axis=0, return_counts=True)[1] / len(first)
    agree = np.mean([a == b for a, b in itertools.pairwise(first)])
    assert agree == pytest.approx((shares**2).sum(), abs=0.03)


def test_a_resumed_run_must_draw_the_same(dataset: Any) -> None:
    def describe(**kwargs: Any) -> dict:
        return RatioSampler(dataset, {'source': 1, 'target': 1}, 0, **kwargs).describe()

    plain = describe()
    assert set(plain) == {'seed', 'global_batch', 'lengths'}
    rare = describe(rare_class={'source': dict(min_pixels=9)})
    assert rare['rare_class']['source']['temperature'] == 0.01
    assert rare == describe(rare_class={'source': dict(min_pixels=9, temperature=0.01)})
    assert rare != describe(rare_class={'source': dict(min_pixels=8)})
    other = RareClassDraw(COUNTS + [[1, 0, 0]] * 5, CLASSES, min_pixels=9).describe()
    assert other['counts'] != rare['rare_class']['source']['counts']


def test_unknown_stream_is_named(dataset: Any) -> None:
    with pytest.raises(ValueError, match=r"rare_class names the streams \['labeled'\]"):
        RatioSampler(dataset, {'source': 1, 'target': 1}, 0, rare_class={'labeled': {}})
