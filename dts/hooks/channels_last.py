"""Hook that lays convolution weights out for the fast kernels."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dts.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Put the model into ``channels_last`` memory format before training and testing.

    Convolutions follow the layout of their weights, so inputs need no change. Runs before the
    teacher hook, whose copies keep the layout. Numbers stay the same up to the order of sums.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Convert.

        Args:
            runner: the runner.
        """
        runner.model.to(memory_format=torch.channels_last)

    def before_test(self, runner: Runner) -> None:
        """Convert.

        Args:
            runner: the runner.
        """
        runner.model.to(memory_format=torch.channels_last)
