"""PASCAL VOC 2012: 20 object classes and background."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import PascalVOCDataset

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class VOC2012Dataset(CheckedSegDataset):
    """PASCAL VOC 2012, 21 classes, 255 = ignore (object borders and difficult objects).

    Layout: ``data/README.md``. ``SegmentationClass`` holds palette images, read as indices;
    ``SegmentationClassAug`` one-channel images. Both folders have masks of the same names, so
    ``data_prefix.seg_map_path`` decides. Takes the arguments of ``CheckedSegDataset``; leave
    ``seg_map_path`` out of ``data_prefix`` for unlabelled images.

    Source: Everingham et al., IJCV 2015; augmented masks: Hariharan et al., ICCV 2011.
    """

    METAINFO: ClassVar[dict[str, Any]] = PascalVOCDataset.METAINFO
