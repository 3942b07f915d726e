"""Infinite sampler that fills every batch with fixed numbers of samples from each stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from dts.datasets.rare_class import RareClassDraw
from dts.datasets.streams import StreamDataset
from dts.registry import DATA_SAMPLERS
from dts.typing import ConfigType


class SampleIndex(NamedTuple):
    """What a worker needs to make one sample, whatever worker it is.

    Attributes:
        stream: name of the stream.
        item: position in the stream's data set.
        seed: seed of this sample's augmentation.
        drawn_class: the class for which the image was drawn, None where images are drawn evenly.
    """

    stream: str
    item: int
    seed: int
    drawn_class: int | None = None


@DATA_SAMPLERS.register_module()
class RatioSampler(Sampler[SampleIndex]):
    """Endless, rank-aware order of the samples of several streams.

    Every stream is an endless concatenation of seeded permutations of its data set: every image is
    seen once before any is seen again. A stream of ``rare_class`` draws a class and then an image
    of it instead, position by position, from the class counts of its label files. Batch t of all
    ranks together takes the next ``world_size * batch[stream]`` positions of each stream, so the
    samples of a run depend on the global batch alone. A sample's augmentation is seeded by (seed,
    stream, position).

    Args:
        dataset: the streams.
        batch: samples per rank and batch from each stream, in the order in which they lie in the
            batch; 0 leaves a stream unused. The sum must be the data loader's ``batch_size``.
        seed: the run's seed; None draws one that all ranks share.
        rare_class: stream -> ``temperature`` (default 0.01) and ``min_pixels`` (3000) of
            ``RareClassDraw`` and ``file`` of ``class_counts``; label files that were not counted
            yet are counted now.

    Raises:
        FileNotFoundError: if a label file of a ``rare_class`` stream is missing.
        ValueError: if ``batch`` names other streams than the data set, or nothing at all, or a
            ``rare_class`` stream cannot be drawn from.
    """

    def __init__(
        self,
        dataset: StreamDataset,
        batch: Mapping[str, int],
        seed: int | None = None,
        *,
        rare_class: Mapping[str, ConfigType] | None = None,
    ) -> None:
        if set(batch) != set(dataset.streams):
            raise ValueError(
                f'sampler.batch names the streams {sorted(batch)}, the data set has '
                f'{sorted(dataset.streams)}'
            )
        if min(batch.values()) < 0 or sum(batch.values()) == 0:
            raise ValueError(f'sampler.batch needs counts >= 0 with a positive sum, got {batch}')
        unknown = sorted(set(rare_class or {}) - set(batch))
        if unknown:
            raise ValueError(
                f'sampler.rare_class names the streams {unknown}, the data set has '
                f'{sorted(dataset.streams)}'
            )
        self.batch = dict(batch)
        self.lengths = {name: len(stream) for name, stream in dataset.streams.items()}
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.world_size = get_dist_info()
        self.draws = {
            name: RareClassDraw.of_dataset(dataset.streams[name], **options)
            for name, options in (rare_class or {}).items()
        }
        self._first_batch = 0

    def check_batch_size(self, batch_size: int | None) -> None:
        """Refuse a loader that cuts the order elsewhere than this sampler counts it.

        Args:
            batch_size: samples per batch of the loader, None for one that does not batch.

        Raises:
            ValueError: if it is not the sum of ``batch``.
        """
        expected = sum(self.batch.values())
        if batch_size != expected:
            raise ValueError(
                f'train_dataloader.batch_size is {batch_size}, sampler.batch {self.batch} sums to '
                f'{expected}: set train_dataloader.batch_size={expected}'
            )

    def skip(self, num_batches: int) -> None:
        """Start the next iteration as if so many batches had been taken; costs nothing.

        Args:
            num_batches: batches (of this rank) to leave out, counted from the start of the run.
        """
        self._first_batch = num_batches

    def describe(self) -> dict[str, Any]:
        """Return what must be equal for a resumed run to see the same samples.

        Returns:
            Seed, samples of all ranks per batch, length of every stream, and settings and counts of
            rare-class sampling where there is any.
        """
        description = {
            'seed': self.seed,
            'global_batch': {name: n * self.world_size for name, n in self.batch.items()},
            'lengths': dict(self.lengths),
        }
        if self.draws:
            description['rare_class'] = {name: d.describe() for name, d in self.draws.items()}
        return description

    def batches_per_pass(self, stream: str) -> int:
        """Return after how many batches every image of a stream was seen once.

        With ``rare_class`` images repeat earlier: then as many samples as images were seen.

        Args:
            stream: name of the stream.

        Returns:
            ceil(length / samples of all ranks per batch).

        Raises:
            ValueError: if no batch holds a sample of the stream.
        """
        if not self.batch.get(stream):
            raise ValueError(
                f'no batch holds a sample of the stream {stream!r}: sampler.batch is {self.batch}'
            )
        return -(-self.lengths[stream] // (self.batch[stream] * self.world_size))

    def __len__(self) -> int:
        # Nominal, as MMEngine asks for it when it converts epochs: iteration never ends.
        return sum(self.lengths.values())

    def __iter__(self) -> Iterator[SampleIndex]:
        orders: dict[str, _Order | _RareClassOrder] = {
            name: _RareClassOrder(self.seed, name, self.draws[name])
            if name in self.draws
            else _Order(self.seed, name, length)
            for name, length in self.lengths.items()
        }
        batch_index = self._first_batch
        while True:
            for name, per_rank in self.batch.items():
                first = (batch_index * self.world_size + self.rank) * per_rank
                for position in range(first, first + per_rank):
                    yield orders[name][position]
            batch_index += 1


class _Order:
    """The endless order of one stream, by position."""

    def __init__(self, seed: int, stream: str, length: int) -> None:
        self.seed = seed
        self.stream = stream
        self.length = length
        self._pass = -1
        self._permutation: list[int] = []

    def __getitem__(self, position: int) -> SampleIndex:
        current_pass, offset = divmod(position, self.length)
        if current_pass != self._pass:
            generator = torch.Generator().manual_seed(
                mix_seed(self.seed, self.stream, 'pass', current_pass)
            )
            self._permutation = torch.randperm(self.length, generator=generator).tolist()
            self._pass = current_pass
        seed = mix_seed(self.seed, self.stream, 'sample', position)
        return SampleIndex(self.stream, self._permutation[offset], seed)


class _RareClassOrder:
    """The endless order of a stream whose images are drawn by class, by position."""

    def __init__(self, seed: int, stream: str, draw: RareClassDraw) -> None:
        self.seed = seed
        self.stream = stream
        self.draw = draw

    def __getitem__(self, position: int) -> SampleIndex:
        drawn_class, item = self.draw.draw(mix_seed(self.seed, self.stream, 'class', position))
        seed = mix_seed(self.seed, self.stream, 'sample', position)
        return SampleIndex(self.stream, item, seed, drawn_class)


def mix_seed(*parts: int | str) -> int:
    """Return a seed that is unrelated for any two different lists of parts.

    Args:
        parts: what the seed depends on.

    Returns:
        An integer in [0, 2**32), the range that every generator takes.
    """
    digest = hashlib.blake2b('/'.join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, 'little')
