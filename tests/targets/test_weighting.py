"""Weights of pixels on two small images by hand."""

import pytest
import torch

from dts.targets.pseudo_label import PseudoLabels
from dts.targets.weighting import (
    WEIGHTINGS,
    batch_fraction,
    get_weighting,
    image_fraction,
    pixel_mask,
)

# image 0: sure, at the threshold, unsure, padding; image 1: unsure four times
LABELS = torch.tensor([[[1, 0], [2, 255]], [[0, 0], [1, 1]]])
CONFIDENCE = torch.tensor([[[0.9, 0.75], [0.5, 0.99]], [[0.1, 0.2], [0.3, 0.4]]])
TARGET = PseudoLabels(LABELS, CONFIDENCE)


def test_pixel_mask_is_inclusive_and_leaves_out_padding():
    assert pixel_mask(TARGET, 0.75).flatten().tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_image_fraction_is_over_the_valid_pixels_of_each_image():
    weights = image_fraction(TARGET, 0.75)
    assert weights.flatten(1).tolist() == [[pytest.approx(2 / 3)] * 4, [0.0] * 4]


def test_batch_fraction_is_over_the_valid_pixels_of_all():
    assert batch_fraction(TARGET, 0.75).flatten().tolist() == [pytest.approx(2 / 7)] * 8


@pytest.mark.parametrize('name', WEIGHTINGS)
def test_all_unsure_gives_zero_and_all_sure_gives_one(name):
    assert (get_weighting(name)(TARGET, 1.0) == 0).all()
    weights = get_weighting(name)(TARGET, 0.0)
    assert (weights[LABELS != 255] == 1).all()


@pytest.mark.parametrize('name', WEIGHTINGS)
def test_padding_alone_gives_zero_and_no_nan(name):
    empty = PseudoLabels(torch.full((2, 2, 2), 255), torch.ones(2, 2, 2))
    assert (get_weighting(name)(empty, 0.0) == 0).all()


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"weighting must be one of .*'pixel_mask'.* got 'hard'"):
        get_weighting('hard')
