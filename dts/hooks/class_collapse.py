"""Hook that tells when a class vanishes from the pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS


@HOOKS.register_module()
class ClassCollapseHook(Hook):
    """Count the classes of the pseudo-labels and warn once, by name, when one vanishes.

    A class has vanished when its share of the pseudo-labels of the last ``interval`` iterations is
    below ``min_share`` after having been at least ten times that in an earlier interval. Counting
    stays on the device; the counts are read once per interval.

    Args:
        interval: iterations per count.
        min_share: share in (0, 0.1) of the pixels below which a class counts as vanished.
    """

    def __init__(self, interval: int = 100, min_share: float = 1e-4) -> None:
        self.interval = interval
        self.min_share = min_share

    def before_train(self, runner: Runner) -> None:
        """Start to watch the method.

        Args:
            runner: the runner.
        """
        method = unwrap(runner)
        self.classes = class_names(runner)
        device = next(method.parameters()).device
        self.counts = torch.zeros(len(self.classes) + 1, dtype=torch.int64, device=device)
        self.was_seen = [False] * len(self.classes)
        self.is_reported = [False] * len(self.classes)
        method.observers.append(self._count)

    def _count(self, tensors: Mapping[str, Tensor]) -> None:
        """Add the classes of a step; the last slot takes pixels without a class."""
        if 'pseudo_label' in tensors:
            labels = tensors['pseudo_label'].flatten().clamp(max=len(self.classes))
            self.counts.index_add_(0, labels, torch.ones_like(labels))

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
        if (batch_idx + 1) % self.interval:
            return
        counts = self.counts[:-1].tolist()
        self.counts.zero_()
        total = max(sum(counts), 1)
        for index, count in enumerate(counts):
            share = count / total
            if self.was_seen[index] and share < self.min_share and not self.is_reported[index]:
                self.is_reported[index] = True
                runner.logger.warning(
                    f'class {self.classes[index]!r} has vanished from the pseudo-labels of '
                    f'iterations {batch_idx + 1 - self.interval} to {batch_idx}: the teacher no '
                    'longer names it; see class weights, threshold and the length of the mean'
                )
            self.was_seen[index] |= share >= 10 * self.min_share


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
