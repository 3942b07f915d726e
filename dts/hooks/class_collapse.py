"""Hook that tells when a class vanishes from the pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS

STATE = 'class_collapse'  # its entry in a checkpoint
MAX_SHARE = 0.1
DROP = 0.01  # share of its largest share below which a class may count as vanished


@HOOKS.register_module()
class ClassCollapseHook(Hook):
    """Count the classes of the pseudo-labels and warn once, by name, when one vanishes.

    A class has vanished when its share of the pseudo-labels of the last ``interval`` iterations, on
    all ranks, is below ``min_share`` and below a hundredth of what it was in an earlier interval,
    so that rare classes are watched too. Classes that no source label showed so far, and those that
    never held a tenth of ``min_share``, are not: an untrained teacher names anything. Counting
    stays on the device; the counts are read once per interval. A resumed run goes on with what it
    knew of the classes and counts afresh until it has counted a whole interval.

    Args:
        interval: iterations per count.
        min_share: share in (0, 0.1) of the pixels below which a class counts as vanished.

    Raises:
        ValueError: if one of them is out of range.
    """

    _saved: Mapping[str, Any] | None = None

    def __init__(self, interval: int = 100, min_share: float = 1e-4) -> None:
        if interval < 1:
            raise ValueError(f'interval of ClassCollapseHook must be at least 1, got {interval}')
        if not 0.0 < min_share < MAX_SHARE:
            raise ValueError(
                f'min_share of ClassCollapseHook must be in (0, {MAX_SHARE}), got {min_share}'
            )
        self.interval = interval
        self.min_share = min_share

    def before_train(self, runner: Runner) -> None:
        """Start to watch the method.

        Args:
            runner: the runner.
        """
        method = unwrap(runner)
        self.classes = class_names(runner)
        num_classes = len(self.classes)
        device = next(method.parameters()).device
        # the last slot takes pixels without a class
        self.counts = torch.zeros(num_classes + 1, dtype=torch.int64, device=device)
        self.counts_source = torch.zeros_like(self.counts)
        saved = self._saved or {}
        self.largest: list[float] = list(saved.get('largest', [0.0] * num_classes))
        self.is_labeled: list[bool] = list(saved.get('is_labeled', [False] * num_classes))
        self.is_reported: list[bool] = list(saved.get('is_reported', [False] * num_classes))
        self._start: int | None = None  # iteration from which on it is counted
        method.observers.append(self._count)

    def _count(self, tensors: Mapping[str, Tensor]) -> None:
        """Add the classes of a step."""
        for name, counts in (
            ('pseudo_label', self.counts),
            ('source_label', self.counts_source),
        ):
            if name in tensors:
                labels = tensors[name].flatten().clamp(max=len(self.classes))
                counts.index_add_(0, labels, torch.ones_like(labels))

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Compare with earlier intervals.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
            outputs: not used.
        """
        if self._start is None:
            self._start = batch_idx
        if (batch_idx + 1) % self.interval or batch_idx + 1 - self._start < self.interval:
            return
        both = torch.stack([self.counts, self.counts_source])
        all_reduce(both)
        counts, counts_source = both[:, :-1].tolist()
        self.counts.zero_()
        self.counts_source.zero_()
        total = max(sum(counts), 1)
        self.is_labeled = [
            was_labeled or count > 0
            for was_labeled, count in zip(self.is_labeled, counts_source, strict=True)
        ]
        for index, count in enumerate(counts):
            share = count / total
            if self._has_vanished(index, share) and not self.is_reported[index]:
                self.is_reported[index] = True
                runner.logger.warning(
                    f'class {self.classes[index]!r} has vanished from the pseudo-labels of '
                    f'iterations {self._start} to {batch_idx}: the teacher no longer names it; '
                    'see class weights, threshold and the length of the mean'
                )
            self.largest[index] = max(self.largest[index], share)
        self._start = batch_idx + 1

    def _has_vanished(self, index: int, share: float) -> bool:
        """Return whether a class that was there is not any more."""
        is_watched = self.is_labeled[index] or not any(self.is_labeled)
        was_seen = self.largest[index] >= self.min_share / 10
        return is_watched and was_seen and share < min(self.min_share, DROP * self.largest[index])

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add what is known of the classes.

        Args:
            runner: the runner.
            checkpoint: changed in place.
        """
        checkpoint.setdefault('dts', {})[STATE] = {
            'largest': list(self.largest),
            'is_labeled': list(self.is_labeled),
            'is_reported': list(self.is_reported),
        }

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep what a resumed run knew of the classes; files of runs without this hook know none.

        Args:
            runner: the runner.
            checkpoint: what was read.
        """
        if runner._resume:
            self._saved = checkpoint.get('dts', {}).get(STATE)


def class_names(runner: Runner) -> Sequence[str]:
    """Return the names of the classes that are trained.

    Args:
        runner: the runner; its streams agree on the classes.

    Returns:
        One name per class.
    """
    streams = runner.train_dataloader.dataset.streams
    names: Sequence[str] = next(iter(streams.values())).metainfo['classes']
    return names
