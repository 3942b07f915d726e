"""Nuclei in four imaging domains (2018 Data Science Bowl, stage 1), two classes."""

from __future__ import annotations

from typing import Any, ClassVar

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS


@DATASETS.register_module()
class NucleiDataset(CheckedSegDataset):
    """Microscopy images with nucleus masks, for adaptation between imaging set-ups.

    Domains: ``fluo_a``, ``fluo_b``, ``stain`` and ``bright``, one list each (``data/README.md``).
    Grey images are one-channel PNG; ``dts.LoadImage`` replicates them to three channels. Takes the
    arguments of ``CheckedSegDataset``.

    Source: Caicedo et al., Nature Methods 2019.

    Args:
        img_suffix: suffix of the image files.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        'classes': ('background', 'nucleus'),
        'palette': [[0, 0, 0], [220, 20, 60]],
    }

    def __init__(self, img_suffix: str = '.png', **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, **kwargs)
