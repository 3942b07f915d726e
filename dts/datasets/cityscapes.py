"""Cityscapes: street scenes of 50 cities, the 19 classes that are scored."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import CityscapesDataset as StockCityscapesDataset

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class CityscapesDataset(CheckedSegDataset):
    """Cityscapes with train ids: 2975 train and 500 val images, 19 classes, 255 = ignore.

    Layout: ``data/README.md``. A stem holds the city: ``aachen/aachen_000000_000019``. The masks
    are made by ``tools/dataset_converters/cityscapes.py``; with
    ``seg_map_suffix='_gtFine_labelIds.png'`` the original files are mapped when they are loaded.
    Takes the arguments of ``CheckedSegDataset``; leave ``seg_map_path`` out of ``data_prefix`` for
    unlabelled images.

    Source: Cordts et al., CVPR 2016.

    Args:
        img_suffix: end of the image names.
        seg_map_suffix: end of the mask names.
        **kwargs: the other arguments of ``CheckedSegDataset``.
    """

    METAINFO: ClassVar[dict[str, Any]] = StockCityscapesDataset.METAINFO

    def __init__(
        self,
        img_suffix: str = '_leftImg8bit.png',
        seg_map_suffix: str = '_gtFine_labelTrainIds.png',
        **kwargs: Any,
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    @property
    def raw_ids(self) -> str | None:
        """Name of the ids in the mask files, see ``dts.datasets.raw_ids``; None for train ids."""
        return 'cityscapes' if self.seg_map_suffix.endswith('labelIds.png') else None

    def make_info(self, stem: str) -> dict[str, Any]:
        """Build the sample description of one stem.

        Args:
            stem: path relative to the image folder, without suffix.
        """
        info = super().make_info(stem)
        if self.mask_dir is not None and self.raw_ids is not None:
            info['raw_ids'] = self.raw_ids
        return info
