"""Hook that makes every random draw of a step a function of the step."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dts.datasets.sampler import mix_seed
from dts.registry import HOOKS


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seed torch and NumPy before every step from (seed, rank, iteration), ``random`` without rank.

    Python's ``random`` is for decisions that all ranks must take alike, such as which layers run.
    Dropout, drop-path, mixing and colour draws then need no saved state: a resumed run draws what
    the uninterrupted one would have drawn, and validation in between changes nothing.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed Python, NumPy and torch on all devices.

        Args:
            runner: the runner.
            batch_idx: index of the iteration, the same after a resume.
            data_batch: not used.
        """
        seed = mix_seed(runner.seed, 'step', get_rank(), batch_idx)
        random.seed(mix_seed(runner.seed, 'step of all ranks', batch_idx))
        np.random.seed(seed)  # noqa: NPY002 - what third-party code draws from
        torch.manual_seed(seed)
