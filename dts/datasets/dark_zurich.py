"""Dark Zurich: street scenes at night, the 19 classes of Cityscapes."""

from __future__ import annotations

from typing import Any

from dts.datasets.cityscapes import CityscapesDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class DarkZurichDataset(CityscapesDataset):
    """Dark Zurich: 2416 unlabelled night images, 50 labelled ones (val), 151 of the test server.

    A stem holds the sequence: ``GOPR0356/GOPR0356_frame_000321``. Layout: ``data/README.md``. Takes
    the arguments of ``CheckedSegDataset``.

    Source: Sakaridis, Dai, Van Gool, ICCV 2019.

    Args:
        img_suffix: end of the image names.
        seg_map_suffix: end of the mask names; ``_gt_labelIds.png`` is mapped when it is loaded.
        **kwargs: the other arguments of ``CheckedSegDataset``.
    """

    def __init__(
        self,
        img_suffix: str = '_rgb_anon.png',
        seg_map_suffix: str = '_gt_labelTrainIds.png',
        **kwargs: Any,
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
