"""Dropped channels: whole, at their rate, and shared out between two views."""

import pytest
import torch

from dts.models.channel_dropout import drop_channels, drop_complementary


def test_channels_are_dropped_whole_at_their_rate_and_scaled():
    feature = torch.full((50, 40, 3, 3), 2.0)
    (dropped,) = drop_channels([feature], 0.25)
    factor = dropped / feature
    assert torch.equal(factor, factor[:, :, :1, :1].expand_as(factor))
    torch.testing.assert_close(factor.unique(), torch.tensor([0.0, 4 / 3]))
    assert float((factor == 0).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_two_views_get_factors_that_add_up_to_two():
    features = [torch.full((80, 6, 3, 3), 2.0), torch.full((80, 9, 2, 2), 4.0)]
    whole = []
    for feature, dropped in zip(features, drop_complementary(features), strict=True):
        factor = dropped / feature
        first, second = factor.chunk(2)
        torch.testing.assert_close(
            first[..., :1, :1] + second[..., :1, :1], 2 * torch.ones(40, feature.shape[1], 1, 1)
        )
        assert set(factor.round(decimals=4).unique().tolist()) == {0.0, 1.0, 2.0}
        is_whole = (first.round(decimals=4) == 1).flatten(1)
        assert torch.equal(is_whole.any(1), is_whole.all(1))  # all channels of a pair, or none
        whole.append(is_whole.all(1))
        zeros = (first[~whole[-1]] == 0).float().mean()
        assert float(zeros) == pytest.approx(0.5, abs=0.1)
    assert torch.equal(*whole)  # the same pairs at all levels
    assert 8 < int(whole[0].sum()) < 32
