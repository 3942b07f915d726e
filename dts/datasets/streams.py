"""The data sets that a batch is drawn from, under one roof."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmseg.datasets import BaseSegDataset
from torch.utils.data import Dataset

from dts.datasets.checked import CheckedSegDataset
from dts.registry import DATASETS
from dts.typing import ConfigType

if TYPE_CHECKING:
    from dts.datasets.sampler import SampleIndex


@DATASETS.register_module()
class StreamDataset(Dataset):
    """Named data sets, each with a pipeline of its own, indexed by ``SampleIndex``.

    A sample is a pure function of its index: the augmentation draws from generators that are seeded
    for this sample, so the number of workers, a resume or another stream change nothing. Failures
    in a pipeline are raised, never replaced by another image.

    Args:
        streams: config of a ``BaseSegDataset`` for each stream, for example ``labeled`` and
            ``unlabeled``.

    Raises:
        ValueError: if a stream is empty or the streams disagree about the classes.
    """

    def __init__(self, streams: Mapping[str, ConfigType]) -> None:
        self.streams: dict[str, BaseSegDataset] = {
            name: DATASETS.build({**stream, 'lazy_init': True}) for name, stream in streams.items()
        }
        self.full_init()
        classes = {name: stream.metainfo['classes'] for name, stream in self.streams.items()}
        if len({tuple(names) for names in classes.values()}) != 1:
            raise ValueError(f'the streams disagree about the classes: {classes}')

    def full_init(self) -> None:
        """Read the lists of all streams.

        Raises:
            ValueError: if a stream is empty.
        """
        for name, stream in self.streams.items():
            try:
                stream.full_init()
            except ValueError as error:
                # Of an empty list stock data sets say that NumPy needs an array.
                says_which = stream.data_list or isinstance(stream, CheckedSegDataset)
                empty = 'it holds no image, check its data_root, data_prefix and ann_file'
                reason = str(error) if says_which else empty
                raise ValueError(f'stream {name!r}: {reason}') from error

    @property
    def metainfo(self) -> dict[str, Any]:
        """Classes and palette, the same for all streams."""
        return next(iter(self.streams.values())).metainfo

    def __len__(self) -> int:
        return sum(map(len, self.streams.values()))

    def __getitem__(self, index: SampleIndex) -> dict[str, Any]:
        stream = self.streams[index.stream]
        results = stream.get_data_info(index.item)
        results['num_classes'] = len(stream.metainfo['classes'])
        if index.drawn_class is not None:
            results['drawn_class'] = index.drawn_class
        with seeded(index.seed):
            return stream.pipeline(results)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the CPU generators that transforms draw from, and put them back afterwards.

    Args:
        seed: in [0, 2**32).

    Yields:
        Nothing.
    """
    state_random, state_numpy, state_torch = (
        random.getstate(),
        np.random.get_state(),  # noqa: NPY002 - MMCV's transforms draw from the global generator
        torch.get_rng_state(),
    )
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(state_random)
        np.random.set_state(state_numpy)  # noqa: NPY002
        torch.set_rng_state(state_torch)
