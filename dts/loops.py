"""Training loop that resumes without loading a single past sample."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.runner import IterBasedTrainLoop
from torch.utils.data import DataLoader

from dts.registry import LOOPS


@LOOPS.register_module()
class TrainLoop(IterBasedTrainLoop):
    """MMEngine's iteration loop over a loader whose sampler can skip.

    MMEngine resumes by loading and dropping every past batch, which takes hours on real data.
    """

    def run(self) -> Any:
        """Train until ``max_iters``.

        Returns:
            The trained model.
        """
        self.dataloader_iterator = _SkippingIterator(self.dataloader, self._iter)
        return super().run()


class _SkippingIterator:
    """Iterator whose first ``num_skipped`` items are empty and cost nothing."""

    def __init__(self, dataloader: DataLoader, num_skipped: int) -> None:
        self._dataloader = dataloader
        self._num_skipped = num_skipped
        self._iterator: Iterator[Any] | None = None
        sampler: Any = dataloader.sampler
        if hasattr(sampler, 'check_batch_size'):
            sampler.check_batch_size(dataloader.batch_size)
        if hasattr(sampler, 'skip'):
            sampler.skip(num_skipped)
        elif num_skipped:
            raise ValueError(
                f'cannot resume: {type(sampler).__name__} has no skip(num_batches); use '
                "sampler=dict(type='dts.RatioSampler', ...) in train_dataloader"
            )

    def __iter__(self) -> _SkippingIterator:
        return self

    def skip_iter(self, num_iters: int) -> None:
        """Skip as the fork's loop asks, which calls this in place of ``next``.

        Args:
            num_iters: items to leave out.
        """
        self._num_skipped = max(0, self._num_skipped - num_iters)

    def __next__(self) -> Any:
        if self._num_skipped > 0:
            self._num_skipped -= 1
            return None
        if self._iterator is None:
            self._iterator = iter(self._dataloader)
        return next(self._iterator)
