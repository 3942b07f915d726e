"""DDP for methods that back-propagate more than once per step."""

from __future__ import annotations

from typing import Any

from mmengine.dist import all_reduce_params
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from dts.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class SequentialDistributedDataParallel(MMDistributedDataParallel):
    """Leave the step to the method, which calls ``average_gradients`` before the optimizer steps.

    DDP averages gradients while a backward of its own forward runs; several backwards of parts of a
    method need one average after the last of them. Parameters start equal as under DDP.
    """

    def train_step(
        self, data: dict[str, Any] | tuple | list, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """Let the method train.

        Args:
            data: the batch.
            optim_wrapper: the optimizer.

        Returns:
            What is logged.
        """
        logged: dict[str, Tensor] = self.module.train_step(data, optim_wrapper)
        return logged


def average_gradients(module: nn.Module) -> None:
    """Replace gradients by their mean over all ranks, in place; nothing in a run of one process.

    Args:
        module: a module of which the same parameters have gradients on every rank.
    """
    all_reduce_params(
        [weight.grad for weight in module.parameters() if weight.grad is not None], op='mean'
    )
