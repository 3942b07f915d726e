"""COCO-Stuff 164K: all of COCO 2017 with 80 object and 91 stuff classes."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import COCOStuffDataset

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class COCOStuff164KDataset(CheckedSegDataset):
    """COCO-Stuff 164K: 118 287 train and 5000 val images, 171 classes, 255 = ignore.

    The masks hold 0..170 and 255 and are made by ``tools/dataset_converters/coco_stuff164k.py``;
    those of MMSeg's converter are the same. Takes the arguments of ``CheckedSegDataset``; leave
    ``seg_map_path`` out of ``data_prefix`` for unlabelled images. Layout::

        data/coco_stuff164k/
          images/{train2017,val2017}/NAME.jpg
          annotations/{train2017,val2017}/NAME.png                  as published, 0..181 and 255
          annotations/{train2017,val2017}/NAME_labelTrainIds.png

    Source: Caesar et al., CVPR 2018.

    Args:
        seg_map_suffix: end of the mask names.
        **kwargs: the other arguments of ``CheckedSegDataset``.
    """

    METAINFO: ClassVar[dict[str, Any]] = COCOStuffDataset.METAINFO

    def __init__(self, seg_map_suffix: str = '_labelTrainIds.png', **kwargs: Any) -> None:
        super().__init__(seg_map_suffix=seg_map_suffix, **kwargs)
