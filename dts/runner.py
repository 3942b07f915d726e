"""MMEngine's runner, with a learning rate that knows of accumulated gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mmengine.runner
from mmengine.optim import OptimWrapper


class Runner(mmengine.runner.Runner):
    """A runner whose ``auto_scale_lr`` follows the images of an optimizer step.

    MMEngine follows those of an iteration, so ``accumulative_counts=4`` with a quarter of the batch
    would quarter the rate of the same optimizer step.
    """

    def scale_lr(
        self, optim_wrapper: OptimWrapper, auto_scale_lr: Mapping[str, Any] | None = None
    ) -> None:
        """Scale the learning rate by images per optimizer step over ``base_batch_size``.

        Args:
            optim_wrapper: whose optimizer has the rate of the config.
            auto_scale_lr: ``enable`` and ``base_batch_size`` of the config.
        """
        counts = getattr(optim_wrapper, '_accumulative_counts', 1)
        if auto_scale_lr and auto_scale_lr.get('enable') and counts > 1:
            base = auto_scale_lr['base_batch_size']
            self.logger.info(
                f'LR: an optimizer step gathers {counts} iterations, so that the batch size of '
                f'{base} is that of {base / counts:g} images an iteration'
            )
            auto_scale_lr = {**auto_scale_lr, 'base_batch_size': base / counts}
        super().scale_lr(optim_wrapper, auto_scale_lr)
