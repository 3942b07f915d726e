"""COCO 2017 with 80 object classes and background, as semi-supervised papers use it."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import COCOStuffDataset

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS

NUM_THINGS = 80
_STUFF = COCOStuffDataset.METAINFO  # its first 80 classes are the things, by category id


@DATASETS.register_module()
class COCOSemiDataset(CheckedSegDataset):
    """COCO 2017: 118 287 train and 5000 val images, 81 classes, 255 = ignore (crowd regions).

    Class 0 is background, 1..80 are the things in the order of their category ids. The masks are
    made by ``tools/dataset_converters/coco_semi.py``; layout: ``data/README.md``. Takes the
    arguments of ``CheckedSegDataset``; leave ``seg_map_path`` out of ``data_prefix`` for unlabelled
    images.

    Source: Lin et al., ECCV 2014; 81 classes: Zou et al. (PseudoSeg), ICLR 2021.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': ('background', *_STUFF['classes'][:NUM_THINGS]),
        'palette': [[0, 0, 0], *_STUFF['palette'][:NUM_THINGS]],
    }
