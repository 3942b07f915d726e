"""CamVid street scenes with the 11 classes of the SegNet split."""

from __future__ import annotations

from typing import Any, ClassVar

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class CamVidDataset(CheckedSegDataset):
    """CamVid: 367 train, 101 val and 233 test frames of Cambridge, 11 classes, 255 = ignore.

    Layout: ``data/README.md``. Takes the arguments of ``CheckedSegDataset``; leave
    ``seg_map_path`` out of ``data_prefix`` for unlabelled frames.

    Source: Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 2009; classes and split:
    Badrinarayanan, Kendall, Cipolla, PAMI 2017.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': (
            'sky',
            'building',
            'pole',
            'road',
            'pavement',
            'tree',
            'sign',
            'fence',
            'car',
            'pedestrian',
            'bicyclist',
        ),
        'palette': [
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [0, 0, 192],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
    }
