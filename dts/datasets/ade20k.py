"""ADE20K: scenes of every kind, the 150 classes of the scene parsing benchmark."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import ADE20KDataset as StockADE20KDataset

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class ADE20KDataset(CheckedSegDataset):
    """ADE20K as in the scene parsing benchmark: 20 210 train and 2000 val images, 150 classes.

    Masks hold 1..150 and 0 = other; ``reduce_zero_label`` makes them 0..149 and 255 = ignore.
    Layout: ``data/README.md``. Takes the arguments of ``CheckedSegDataset``; leave
    ``seg_map_path`` out of ``data_prefix`` for unlabelled images.

    Source: Zhou et al., CVPR 2017.

    Args:
        reduce_zero_label: whether 0 in the mask files means ignore and 1 is the first class.
        **kwargs: the other arguments of ``CheckedSegDataset``.
    """

    METAINFO: ClassVar[dict[str, Any]] = StockADE20KDataset.METAINFO

    def __init__(self, reduce_zero_label: bool = True, **kwargs: Any) -> None:
        super().__init__(reduce_zero_label=reduce_zero_label, **kwargs)
