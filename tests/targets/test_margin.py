"""Margins weigh nothing, wherever the image ends."""

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from dts.targets.margin import margin_weights


def test_margins_weigh_nothing_and_smaller_images_keep_their_place():
    whole, small, bare = SegDataSample(), SegDataSample(), SegDataSample()
    whole.margin_map = PixelData(data=torch.tensor([[[1, 1, 1], [0, 0, 1]]], dtype=torch.uint8))
    small.margin_map = PixelData(data=torch.tensor([[[1, 0]]], dtype=torch.uint8))
    weights = margin_weights(torch.zeros(3, 3, 2, 3), [whole, small, bare])
    assert weights.tolist() == [
        [[0, 0, 0], [1, 1, 0]],
        [[0, 1, 1], [1, 1, 1]],
        [[1, 1, 1], [1, 1, 1]],
    ]
