"""Margins of target images in which no pseudo-label is trusted."""

from __future__ import annotations

import torch
from mmseg.structures import SegDataSample
from torch import Tensor


def margin_weights(images: Tensor, data_samples: list[SegDataSample]) -> Tensor:
    """Return 0 inside the margins that the data pipeline marked, 1 elsewhere.

    Street scenes end in the own car at the bottom and in rectification at the sides; margins refer
    to the whole image, so they are marked before it is cropped.

    Source: Hoyer et al. (DAFormer), CVPR 2022: 15 rows at the top and 120 at the bottom.

    Args:
        images: (B, 3, H, W), for size and device.
        data_samples: samples with ``margin_map`` (PixelData, (1, H, W), 1 = margin), or without.

    Returns:
        (B, H, W) float32, all 1 when no sample has a map.
    """
    height, width = images.shape[-2:]
    weights = torch.ones(len(images), height, width, device=images.device)
    for weight, sample in zip(weights, data_samples, strict=True):
        if 'margin_map' in sample:
            margins = sample.margin_map.data[0]  # of the image before it is padded
            weight[: margins.shape[0], : margins.shape[1]].masked_fill_(margins == 1, 0.0)
    return weights
