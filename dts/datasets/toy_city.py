"""Toy city: rendered street scenes in two looks, for runs without any download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from dts.datasets.checked import CheckedSegDataset
from dts.datasets.toy_city_canvas import CLASSES
from dts.datasets.toy_city_files import SPLITS, ToyCitySettings, make_toy_city
from dts.datasets.toy_city_looks import LOOKS
from dts.registry import DATASETS


@DATASETS.register_module()
class ToyCityDataset(CheckedSegDataset):
    """Street scenes with 8 classes and exact labels, made by ``data_root`` on first use.

    *game* has flat clean colors in fixed light, *street* the textures, shadows, haze, noise and
    blur of a photograph and other class statistics: adaptation from labelled *game* to unlabelled
    *street* images can be tried, and scored, in minutes. Layout: ``data/toy_city.md``.

    Args:
        look: ``game`` or ``street``.
        split: ``train`` or ``val``.
        labeled: whether samples carry a label path; False for unlabelled streams.
        data_root: folder of the data set; made if it does not exist.
        settings: arguments of ``ToyCitySettings`` that differ from its defaults; the same for all
            data sets of one ``data_root``.
        **kwargs: the other arguments of ``CheckedSegDataset``.

    Raises:
        FileNotFoundError: as ``CheckedSegDataset``.
        PermissionError: if the images have to be made and the folder cannot be written.
        ValueError: if look or split is unknown, or ``data_root`` holds something else than the
            settings ask for.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': CLASSES,
        'palette': [
            [128, 64, 128],
            [244, 35, 232],
            [70, 70, 70],
            [107, 142, 35],
            [70, 130, 180],
            [0, 0, 142],
            [220, 20, 60],
            [220, 220, 0],
        ],
    }

    def __init__(
        self,
        look: str,
        split: str,
        *,
        labeled: bool = True,
        data_root: str = 'data/toy_city',
        settings: Mapping[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        for name, value, allowed in (('look', look, LOOKS), ('split', split, SPLITS)):
            if value not in allowed:
                raise ValueError(
                    f'`{name}` of ToyCityDataset is {value!r}, expected one of {list(allowed)}.'
                )
        self.settings = ToyCitySettings(**(settings or {}))
        prefix = {'img_path': f'{look}/{split}/img_dir'}
        if labeled:
            prefix['seg_map_path'] = f'{look}/{split}/ann_dir'
        super().__init__(data_root=data_root, data_prefix=prefix, img_suffix='.png', **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Make the images if they are not there, then list them as ``CheckedSegDataset`` does."""
        make_toy_city(Path(self.data_root), self.settings)
        return super().load_data_list()
