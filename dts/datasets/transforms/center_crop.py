"""The middle of an image, for protocols that score nothing else."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform

from dts.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CenterCrop(BaseTransform):
    """Cut image and labels to their middle, and have the prediction scored at that size.

    Goes after ``dts.LoadLabels`` in a test pipeline. Other than MMCV's transform of this name it
    also replaces ``ori_shape``: MMSegmentation would blow the prediction up to the whole image.

    Args:
        crop_size: height, width; a side that is shorter stays whole.
    """

    def __init__(self, crop_size: tuple[int, int]) -> None:
        self.crop_size = crop_size

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` and the label fields by their middle.

        Args:
            results: the sample, with ``img`` (H, W, 3) and ``seg_fields``.
        """
        cuts = []
        for side, crop in zip(results['img'].shape[:2], self.crop_size, strict=True):
            start = max(side - crop, 0) // 2
            cuts.append(slice(start, start + min(crop, side)))
        for key in ('img', *results.get('seg_fields', [])):
            results[key] = results[key][tuple(cuts)]
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size})'
