"""ACDC: street scenes in fog, at night, in rain and in snow, the 19 classes of Cityscapes."""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterator, Sequence
from typing import Any

from dts.datasets.cityscapes import CityscapesDataset
from dts.registry import DATASETS

CONDITIONS = ('fog', 'night', 'rain', 'snow')


@DATASETS.register_module()
class ACDCDataset(CityscapesDataset):
    """ACDC: 1600 train, 406 val and 2000 test images of four conditions, 19 classes, 255 = ignore.

    A stem holds condition, split and sequence: ``fog/train/GOPR0475/GOPR0475_frame_000041``.
    Layout: ``data/README.md``. Takes the arguments of ``CheckedSegDataset``.

    Source: Sakaridis, Dai, Van Gool, ICCV 2021.

    Args:
        split: ``train``, ``val`` or ``test``, looked up below each condition; None takes all images
            of the image folder, as in a copy that is arranged by split.
        conditions: which conditions, in this order.
        img_suffix: end of the image names.
        seg_map_suffix: end of the mask names; ``_gt_labelIds.png`` is mapped when it is loaded.
        **kwargs: the other arguments of ``CheckedSegDataset``; with ``ann_file`` the list decides,
            and ``split`` and ``conditions`` are not used.

    Raises:
        FileNotFoundError: if a condition is missing, or as ``CheckedSegDataset``.
        ValueError: if there is no such condition, or a condition has no image.
    """

    def __init__(
        self,
        split: str | None = None,
        conditions: Sequence[str] = CONDITIONS,
        *,
        img_suffix: str = '_rgb_anon.png',
        seg_map_suffix: str = '_gt_labelTrainIds.png',
        **kwargs: Any,
    ) -> None:
        unknown = [name for name in conditions if name not in CONDITIONS]
        if isinstance(conditions, str) or unknown or not conditions:
            raise ValueError(
                f'`conditions` of ACDCDataset is {conditions!r}, expected a list of names of '
                f'{list(CONDITIONS)}.'
            )
        self.split = split
        self.conditions = list(conditions)
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def list_entries(self) -> Iterator[tuple[str, str]]:
        """Yield (stem, where it was named), condition by condition."""
        if self.ann_file or self.split is None:
            yield from super().list_entries()
            return
        for condition in self.conditions:
            folder = osp.join(self.image_dir, condition, self.split)
            names = [name for name in self.list_files(folder) if name.endswith(self.img_suffix)]
            if not names:
                raise ValueError(
                    f'Folder {folder} of ACDCDataset holds no {self.image_kind()}. Check `split` '
                    'and `conditions`, or unpack rgb_anon_trainvaltest.zip again.'
                )
            for name in sorted(names):
                yield f'{condition}/{self.split}/{name.removesuffix(self.img_suffix)}', folder
