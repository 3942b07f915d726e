"""Switches of self-training refuse values that cannot be meant."""

from typing import Any

import pytest

from dts.methods.adaptation_settings import FeatureDistance, Masking


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(block_size=0), 'masking.block_size must be at least 1, got 0'),
        (dict(block_size=-4), 'masking.block_size must be at least 1, got -4'),
        (dict(ratio=7), r'masking.ratio must be in \[0, 1\], got 7'),
        (dict(ratio=-1), r'masking.ratio must be in \[0, 1\], got -1'),
        (dict(weight=-1), 'masking.weight must be a number >= 0, got -1'),
        (dict(images='source'), "masking.images must be one of .*, got 'source'"),
    ],
)
def test_masking_names_the_key_and_the_value(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Masking(**options)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(classes=[]), r'feature_distance.classes must name thing classes, .* got \[\]'),
        (dict(classes=[3, -1]), r'feature_distance.classes .* got \[3, -1\]'),
        (dict(classes=[1], weight=-1), 'feature_distance.weight must be a number >= 0, got -1'),
        (dict(classes=[1], min_share=75), r'feature_distance.min_share must be in .* got 75'),
    ],
)
def test_feature_distance_names_the_key_and_the_value(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        FeatureDistance(**options)


def test_things_are_classes_of_the_student() -> None:
    things = FeatureDistance(classes=[6, 18, 99])
    things.check_classes(100)
    with pytest.raises(ValueError, match=r'names \[99\], the student scores the classes 0 to 98'):
        things.check_classes(99)


def test_ends_of_the_ranges_are_values() -> None:
    Masking(block_size=1, ratio=0, weight=0)
    Masking(ratio=1)
    FeatureDistance(classes=(0,), weight=0, min_share=1)
