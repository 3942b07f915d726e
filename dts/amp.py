"""Mixed precision on the CPU, which MMEngine's wrapper refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from dts.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Optimizer wrapper whose forwards run under bfloat16 autocast on the CPU.

    bfloat16 has the exponent range of float32, so no loss scaling is needed. Parameters and the
    optimizer stay float32.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run a training step's forward under autocast.

        Args:
            model: the model that is trained.

        Yields:
            Nothing.
        """
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield
