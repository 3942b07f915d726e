"""Margins of target images in which no pseudo-label is trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.structures import SegDataSample
from torch import from_numpy

from dts.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MarkMargins(BaseTransform):
    """Mark strips along the sides of the whole image, before it is resized, cropped and flipped.

    The map travels as a segmentation field through the geometric transforms of MMSegmentation;
    ``dts.PackWithMargins`` hands it to the method, which gives these pixels no weight. So a crop
    knows which of its pixels lie in the margins of the image, whatever its size and place. No label
    is read.

    Source: Hoyer et al. (HRDA), ECCV 2022: 30 rows at the top, 240 at the bottom, 30 columns at
    both sides of 2048x1024 Cityscapes images; DAFormer (CVPR 2022) the rows alone.

    Args:
        top: rows in pixels of the image file.
        bottom: rows.
        left: columns.
        right: columns.

    Raises:
        ValueError: if a width is negative, or at the call if nothing of the image is left.
    """

    def __init__(self, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> None:
        if min(top, bottom, left, right) < 0:
            raise ValueError(
                'margins of dts.MarkMargins must be >= 0 pixels, got '
                f'top={top}, bottom={bottom}, left={left}, right={right}'
            )
        self.rows = (top, bottom)
        self.columns = (left, right)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``margin_map`` (H, W) uint8, 1 = margin, to the segmentation fields.

        Args:
            results: the sample, with ``img`` as it was loaded.
        """
        height, width = results['img'].shape[:2]
        if sum(self.rows) >= height or sum(self.columns) >= width:
            raise ValueError(
                f'{self} leaves nothing of {results.get("img_path")}, which is {width} x {height} '
                '(width x height): margins are pixels of the image file'
            )
        margin_map = np.ones((height, width), np.uint8)
        (top, bottom), (left, right) = self.rows, self.columns
        margin_map[top : height - bottom, left : width - right] = 0
        results['margin_map'] = margin_map
        results.setdefault('seg_fields', []).append('margin_map')
        return results

    def __repr__(self) -> str:
        (top, bottom), (left, right) = self.rows, self.columns
        return f'{type(self).__name__}(top={top}, bottom={bottom}, left={left}, right={right})'


@TRANSFORMS.register_module()
class PackWithMargins(PackSegInputs):
    """``PackSegInputs`` of MMSegmentation for images with margins marked by ``dts.MarkMargins``.

    Takes the arguments of ``PackSegInputs``.

    Raises:
        ValueError: at the call if there are no margins, or they are not of the size of the image.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack image and labels, and ``margin_map`` (1, H, W) uint8, 1 = margin.

        Args:
            results: the sample after all geometric transforms.
        """
        if 'margin_map' not in results:
            raise ValueError(
                'dts.PackWithMargins needs margins: add dts.MarkMargins after dts.LoadImage, or '
                'pack with PackSegInputs'
            )
        margin_map, image = results['margin_map'], results['img']
        if margin_map.shape != image.shape[:2]:
            raise ValueError(
                f'{results.get("img_path")}: margins of size {margin_map.shape}, image of size '
                f'{image.shape[:2]}: use geometric transforms of MMSegmentation, which treat all '
                "`seg_fields` (default_scope = 'mmseg')"
            )
        packed: dict[str, Any] = super().transform(results)
        sample: SegDataSample = packed['data_samples']
        data = from_numpy(np.ascontiguousarray(margin_map)[np.newaxis])
        sample.set_data({'margin_map': PixelData(data=data)})
        return packed
