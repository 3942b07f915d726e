"""Hook that keeps the buffers of students equal on all ranks."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS


@HOOKS.register_module()
class AverageBuffersHook(Hook):
    """Average the float buffers (BatchNorm statistics) over ranks after every step.

    DDP averages gradients only. With buffers of their own, ranks would get teachers of their own
    and so other pseudo-labels, and a resumed run would differ, since rank 0 alone is saved. Runs
    before the teacher moves. Costs one all-reduce of a few thousand numbers per step.
    """

    priority = 'HIGH'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Average over ranks.

        Args:
            runner: the runner.
            batch_idx: not used.
            data_batch: not used.
            outputs: not used.
        """
        for student in unwrap(runner).students.values():
            average_buffers(student)


def average_buffers(module: torch.nn.Module) -> None:
    """Replace float buffers by their mean over all ranks, in place, in one message per dtype.

    Nothing is done in a run of one process.

    Args:
        module: a module that has the same buffers on every rank.
    """
    if get_world_size() == 1:
        return
    floats = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    for dtype in sorted({buffer.dtype for buffer in floats}, key=str):
        buffers = [buffer for buffer in floats if buffer.dtype == dtype]
        flat = _flatten_dense_tensors(buffers)
        all_reduce(flat, op='mean')
        means = _unflatten_dense_tensors(flat, buffers)
        torch._foreach_copy_(buffers, list(means))
