"""SYNTHIA-RAND-CITYSCAPES: rendered street scenes, 16 of the 19 classes of Cityscapes."""

from __future__ import annotations

from typing import Any

from dts.datasets.cityscapes import CityscapesDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class SynthiaDataset(CityscapesDataset):
    """SYNTHIA-RAND-CITYSCAPES: 9400 images; terrain, truck and train never occur.

    The 16-bit files of ``GT/LABELS`` are mapped to train ids when they are loaded. Converted copies
    work too: ``seg_map_suffix='_labelTrainIds.png'``. The class list is that of Cityscapes, so that
    one network serves both. Layout: ``data/README.md``. Takes the arguments of
    ``CheckedSegDataset``.

    Source: Ros, Sellart, Materzynska, Vazquez, Lopez, CVPR 2016.

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
        return None if self.seg_map_suffix.endswith('labelTrainIds.png') else 'synthia'
