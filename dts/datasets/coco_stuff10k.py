"""COCO-Stuff 10K: 10 000 images of COCO 2014 with 80 object and 91 stuff classes."""

from __future__ import annotations

from typing import Any

from dts.datasets.coco_stuff164k import COCOStuff164KDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class COCOStuff10KDataset(COCOStuff164KDataset):
    """COCO-Stuff 10K: 9000 train and 1000 test images, the 171 classes of the larger set.

    The masks hold 1..171 and 0 = unlabelled and are made by
    ``tools/dataset_converters/coco_stuff10k.py``; those of MMSeg's converter are the same.
    ``reduce_zero_label`` makes them 0..170 and 255 = ignore. The lists of the data set tell train
    from test images; MMSeg's copies of the images are not needed::

        data/coco_stuff10k/
          images/NAME.jpg
          annotations/NAME.mat                                      as published, ids 0..182
          annotations/{train2014,test2014}/NAME_labelTrainIds.png
          imageLists/{train,test}.txt                               one stem a line

    Source: Caesar et al., CVPR 2018, version 1.1 of the data.

    Args:
        reduce_zero_label: whether 0 in the mask files means ignore and 1 is the first class.
        **kwargs: the other arguments of ``COCOStuff164KDataset``.
    """

    def __init__(self, reduce_zero_label: bool = True, **kwargs: Any) -> None:
        super().__init__(reduce_zero_label=reduce_zero_label, **kwargs)
