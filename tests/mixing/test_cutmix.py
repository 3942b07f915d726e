"""CutMix boxes by their statistics."""

import pytest
import torch

from dts.mixing.cutmix import BetaCutMix, CutMix, HalfCutMix


def masks(operation, batch_size, height, width, seed=0):
    labels = torch.zeros(batch_size, height, width, dtype=torch.long)
    return operation(labels, 2, torch.Generator().manual_seed(seed)).mask


def sides(mask):
    """Height and width of a box, after a check that it is one."""
    rows, columns = mask.any(1), mask.any(0)
    assert torch.equal(mask, rows[:, None] & columns[None, :])
    for line in (rows, columns):  # one run of True
        assert (line.int().diff() > 0).sum() + int(line[0]) == 1
    return int(rows.sum()), int(columns.sum())


def test_boxes_have_the_area_and_aspect_asked_for():
    drawn = masks(CutMix(probability=1.0, area=(0.1, 0.2)), 400, 64, 64)
    for mask in drawn:
        height, width = sides(mask)
        assert 0.3 * 0.8 < height / width < 1 / 0.3 * 1.25  # half-pixel rounding of 12-pixel sides
    torch.testing.assert_close(drawn.float().mean(), torch.tensor(0.15), atol=0.01, rtol=0)


def test_probability_is_the_share_of_images_with_a_box():
    share = masks(CutMix(probability=0.5), 2000, 16, 16).flatten(1).any(1).float().mean()
    torch.testing.assert_close(share, torch.tensor(0.5), atol=0.04, rtol=0)
    assert not masks(CutMix(probability=0.0), 50, 16, 16).any()


def test_boxes_reach_every_pixel():
    assert masks(CutMix(probability=1.0), 3000, 8, 8).float().mean(0).min() > 0.01
    assert masks(HalfCutMix(), 3000, 8, 8).float().mean(0).min() > 0.01


def test_half_boxes_cover_half_and_keep_inside():
    drawn = masks(HalfCutMix(), 300, 64, 96)
    shares = []
    for mask in drawn:
        height, width = sides(mask)
        assert height * width / (64 * 96) == pytest.approx(0.5, abs=0.02)
        shares.append(height / 64)
    # log-uniform in [1/2, 1]: half of the draws lie below sqrt(1/2)
    assert torch.tensor(shares).median().item() == pytest.approx(0.5**0.5, abs=0.02)


@pytest.mark.slow
def test_beta_boxes_share_one_size_with_the_moments_of_beta_4_4():
    operation, shares = BetaCutMix(), []
    labels = torch.zeros(8, 40, 40, dtype=torch.long)
    for seed in range(400):
        mask = operation(labels, 2, torch.Generator().manual_seed(seed)).mask
        inside = mask[~(mask[:, [0, -1]].any((1, 2)) | mask[:, :, [0, -1]].any((1, 2)))]
        whole = [side for box in inside for side in sides(box)]  # of boxes that no border clips
        if whole:
            assert max(whole) - min(whole) <= 1  # one draw per batch, up to rounding
        shares.append(max(height * width / 1600 for height, width in map(sides, mask)))
    # Area is 1 - lam with lam ~ Beta(4, 4), mean 1/2; clipping at the border only takes away.
    assert 0.5 - 0.12 < sum(shares) / 400 < 0.5 + 0.01


def test_beta_box_before_clipping_has_the_side_of_its_draw():
    labels = torch.zeros(64, 101, 101, dtype=torch.long)
    mask = BetaCutMix()(labels, 2, torch.Generator().manual_seed(1)).mask
    lam = torch.rand(7, generator=torch.Generator().manual_seed(1)).sort().values[3]
    largest = max(sides(one)[0] for one in mask)
    assert largest == pytest.approx(101 * float((1 - lam) ** 0.5), abs=1.0)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (dict(probability=1.5), 'probability of CutMix'),
        (dict(area=(0.4, 0.02)), 'two shares, smallest first'),
        (dict(area=(-0.1, 0.4)), 'two shares'),
        (dict(area=(0.02, 40)), 'two shares'),
        (dict(area=0.4), 'two shares, smallest first, got 0.4'),
        (dict(aspect=(0.0, 3.0)), 'two numbers > 0'),
        (dict(aspect=(3.0, 0.3)), 'two numbers > 0, smallest first'),
    ],
)
def test_boxes_out_of_range_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        CutMix(**option)
