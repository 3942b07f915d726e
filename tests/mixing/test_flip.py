"""Flips: who is mirrored, and that images and their labels stay together."""

import pytest
import torch

from dts.mixing.flip import draw_flips, flip


def test_drawn_images_are_mirrored_and_no_others():
    labels = torch.arange(12).view(2, 2, 3)
    flipped = flip(torch.tensor([False, True]), labels)
    assert flipped.tolist() == [[[0, 1, 2], [3, 4, 5]], [[8, 7, 6], [11, 10, 9]]]
    images = torch.stack([labels, labels + 100], dim=1)  # (2, 2, 2, 3)
    mirrored = flip(torch.tensor([False, True]), images)
    assert torch.equal(mirrored[:, 0], flipped)
    assert torch.equal(mirrored[:, 1], flipped + 100)


def test_the_share_of_mirrored_images_is_the_probability():
    labels, generator = torch.zeros(4000, 1, 1), torch.Generator().manual_seed(0)
    assert draw_flips(labels, generator=generator).float().mean() == pytest.approx(0.5, abs=0.03)
    assert draw_flips(labels, 0.2, generator).float().mean() == pytest.approx(0.2, abs=0.03)
    assert not draw_flips(labels, 0.0).any()
    assert draw_flips(labels, 1.0).all()


def test_draws_follow_their_generator():
    one, two = (
        draw_flips(torch.zeros(9, 1, 1), 0.5, torch.Generator().manual_seed(3)) for _ in '12'
    )
    assert torch.equal(one, two)
