"""Geometry and rate of MIC's block masks."""

import pytest
import torch

from dts.mixing.block_mask import block_masks


def test_blocks_are_whole_and_as_many_as_the_grid_has_cells():
    masks = block_masks(torch.zeros(4, 3, 64, 96), 16, 0.5, torch.Generator().manual_seed(0))
    assert masks.shape == (4, 1, 64, 96)
    blocks = masks.reshape(4, 4, 16, 6, 16).permute(0, 1, 3, 2, 4).flatten(3)
    assert torch.equal(blocks.amin(-1), blocks.amax(-1))  # a block is kept or dropped whole
    assert set(masks.unique().tolist()) == {0.0, 1.0}


def test_share_of_dropped_blocks_is_the_ratio_and_images_differ():
    masks = block_masks(torch.zeros(50, 1, 64, 64), 8, 0.7, torch.Generator().manual_seed(0))
    assert float(1 - masks.mean()) == pytest.approx(0.7, abs=0.02)
    assert not torch.equal(masks[0], masks[1])


@pytest.mark.parametrize(('ratio', 'value'), [(0.0, 1.0), (1.0, 0.0)])
def test_extreme_ratios_keep_or_drop_everything(ratio, value):
    assert (block_masks(torch.zeros(2, 1, 20, 20), 8, ratio) == value).all()


def test_sizes_that_blocks_do_not_divide_are_rounded_to_a_whole_grid():
    masks = block_masks(torch.zeros(1, 1, 30, 50), 16, 0.5, torch.Generator().manual_seed(3))
    rows = (masks[0, 0].diff(dim=0) != 0).any(1).nonzero().flatten() + 1
    columns = (masks[0, 0].diff(dim=1) != 0).any(0).nonzero().flatten() + 1
    assert set(rows.tolist()) <= {15}  # 2 rows of cells
    assert set(columns.tolist()) <= {17, 34}  # 3 columns


def test_a_dropped_pixel_is_the_mean_after_normalisation():
    images = torch.randn(2, 3, 16, 16)
    masked = images * block_masks(images, 8, 1.0)
    assert (masked == 0).all()
