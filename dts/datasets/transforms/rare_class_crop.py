"""Random crop that shows the class for which the image was drawn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmseg.datasets.transforms import RandomCrop
from numpy.typing import NDArray

from dts.registry import TRANSFORMS

MAX_RETRIES = 10
Box = tuple[int, int, int, int]


@TRANSFORMS.register_module()
class RareClassCrop(RandomCrop):
    """``RandomCrop`` of MMSegmentation, repeated until it shows enough of the drawn class.

    An image that rare-class sampling drew for a class (``rare_class`` of ``dts.RatioSampler``) is
    cropped anew, up to 10 times, until the crop has more than ``min_pixels`` pixels of that class;
    the last crop is taken as it is. Other images are cropped once, as by ``RandomCrop``.

    Source: lhoyer/DAFormer mmseg/datasets/uda_dataset.py @e6f6e04 (there the whole pipeline is
    repeated).

    Args:
        crop_size: height, width.
        cat_max_ratio: share of the labelled pixels that the most frequent class of a crop may have;
            1.0 allows any.
        min_pixels: see above; counted at the size to which the image was resized. DAFormer 1500
            (3000 * 0.5), HRDA 6000 (3000 * 2).
    """

    def __init__(
        self, crop_size: tuple[int, int], cat_max_ratio: float = 1.0, *, min_pixels: int
    ) -> None:
        super().__init__(crop_size, cat_max_ratio)
        self.min_pixels = min_pixels

    def crop_bbox(self, results: dict[str, Any]) -> Box:
        """Return top, bottom, left and right of the crop.

        Args:
            results: the sample, with ``gt_seg_map`` (H, W) uint8 and, if it was drawn for a class,
                ``drawn_class``.
        """
        labels = results['gt_seg_map']
        box = self._draw_mixed(labels)
        drawn_class = results.get('drawn_class')
        if drawn_class is None:
            return box
        is_drawn = labels == drawn_class
        for _ in range(MAX_RETRIES):
            if np.count_nonzero(self.crop(is_drawn, box)) > self.min_pixels:
                break
            box = self._draw_mixed(labels)
        return box

    def _draw_mixed(self, labels: NDArray[np.uint8]) -> Box:
        """Draw as ``RandomCrop`` does, which sorts all labels of a crop in order to count them."""
        box = self._draw(labels)
        if self.cat_max_ratio < 1.0:
            for _ in range(MAX_RETRIES):
                crop = np.ascontiguousarray(self.crop(labels, box))
                counts = cv2.calcHist([crop], [0], None, [256], [0, 256])[: self.ignore_index]
                is_mixed = np.count_nonzero(counts) > 1
                if is_mixed and counts.max() / counts.sum() < self.cat_max_ratio:
                    break
                box = self._draw(labels)
        return box

    def _draw(self, labels: NDArray[np.uint8]) -> Box:
        """Draw a place of the crop, each as likely as the other."""
        starts = [
            int(np.random.randint(0, max(side - crop, 0) + 1))  # noqa: NPY002
            for side, crop in zip(labels.shape, self.crop_size, strict=True)
        ]
        (top, left), (height, width) = starts, self.crop_size
        return top, top + height, left, left + width

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(crop_size={self.crop_size}, '
            f'cat_max_ratio={self.cat_max_ratio}, min_pixels={self.min_pixels})'
        )
