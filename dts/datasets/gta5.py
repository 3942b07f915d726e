"""GTA5: street scenes of a game, with the 19 classes of Cityscapes."""

from __future__ import annotations

from typing import Any

from dts.datasets.cityscapes import CityscapesDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class GTA5Dataset(CityscapesDataset):
    """GTA5 (Playing for Data): 24 966 images with the ids of Cityscapes, 19 classes, 255 = ignore.

    The palette images of ``labels/`` are read as they are and mapped to train ids when they are
    loaded. Converted copies work too: ``seg_map_suffix='_labelTrainIds.png'``. Layout:
    ``data/README.md``. Takes the arguments of ``CheckedSegDataset``.

    Source: Richter, Vineet, Roth, Koltun, ECCV 2016.

    Args:
        img_suffix: end of the image names.
        seg_map_suffix: end of the mask names.
        **kwargs: the other arguments of ``CheckedSegDataset``.
    """

    def __init__(
        self, img_suffix: str = '.png', seg_map_suffix: str = '.png', **kwargs: Any
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    @property
    def raw_ids(self) -> str | None:
        """Name of the ids in the mask files."""
        return None if self.seg_map_suffix.endswith('labelTrainIds.png') else 'gta5'
