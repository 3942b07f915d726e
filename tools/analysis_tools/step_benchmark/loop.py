"""Training loop that measures the method's step and its floor in turn."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import OptimWrapper

from dts.hooks.teacher_hook import TeacherHook, unwrap
from dts.loops import TrainLoop
from dts.registry import LOOPS
from step_benchmark.clock import Cost, measure, measure_peak_memory
from step_benchmark.floors import ReadyBatch, build_floor, prepare
from step_benchmark.side import measure_ema, measure_loader, measure_waiting

NUM_BATCHES = 4
NUM_LOADER_BATCHES = 10


@LOOPS.register_module()
class InterleavedLoop(TrainLoop):
    """Steps as in training, with all hooks at their intervals, each beside one step of the floor.

    Args:
        num_steps: measured pairs.
        num_warmup: pairs before them.
    """

    def __init__(self, *args: Any, num_steps: int, num_warmup: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.num_steps = num_steps
        self.num_warmup = num_warmup
        self.pairs: list[tuple[Cost, Cost]] = []
        self.measured: dict[str, Any] = {}

    def run(self) -> Any:
        """Measure.

        Returns:
            The model.

        Raises:
            ValueError: if the floor cannot follow what the config does in a step.
        """
        runner = self.runner
        if type(runner.optim_wrapper) is not OptimWrapper:
            raise ValueError(
                'the floor is in full precision: measure with optim_wrapper.type=OptimWrapper, got '
                f'{type(runner.optim_wrapper).__name__}'
            )
        if runner.optim_wrapper._accumulative_counts > 1:
            raise ValueError(
                'the floor steps with every batch: set optim_wrapper.accumulative_counts=1'
            )
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        iterator = iter(self.dataloader)
        batches = [next(iterator) for _ in range(NUM_BATCHES)]
        del iterator  # its workers would disturb
        method = unwrap(runner)
        device = next(method.parameters()).device
        floor = build_floor(method, runner.optim_wrapper.optimizer)
        ready = [prepare(method, batch) for batch in batches]
        for index in range(self.num_warmup + self.num_steps):
            pair = self._measure_pair(floor, batches, ready, index, device)
            if index >= self.num_warmup:
                self.pairs.append(pair)
        self._measure_sides(floor, batches[0], ready[0], device)
        return runner.model

    def step(self, batch: Any) -> None:
        """Do what MMEngine's loop does between two batches, validation left out."""
        self.runner.model.train()
        self.run_iter(batch)
        self._decide_current_val_interval()

    def _measure_pair(
        self,
        floor: Any,
        batches: list[Any],
        ready: list[ReadyBatch],
        index: int,
        device: torch.device,
    ) -> tuple[Cost, Cost]:
        """Return the costs of method and floor; who goes first alternates."""
        which = index % len(batches)
        if index % 2:
            cost_floor = measure(lambda: floor(ready[which]), device)
            return measure(lambda: self.step(batches[which]), device), cost_floor
        cost_method = measure(lambda: self.step(batches[which]), device)
        return cost_method, measure(lambda: floor(ready[which]), device)

    def _measure_sides(
        self, floor: Any, batch: Any, ready: ReadyBatch, device: torch.device
    ) -> None:
        """Measure all that is no ratio."""
        runner = self.runner
        steps = {'method': lambda: self.step(batch), 'floor': lambda: floor(ready)}
        memory = {name: measure_peak_memory(step, device) for name, step in steps.items()}
        hooks = [hook for hook in runner.hooks if isinstance(hook, TeacherHook)]
        self.measured = {
            'device': str(device),
            'method': type(unwrap(runner)).__name__,
            'images_per_step': self.dataloader.batch_size,
            'optimizer_groups': len(runner.optim_wrapper.optimizer.param_groups),
            'peak_memory_mib': memory,
            'loader': measure_loader(runner.cfg.train_dataloader, runner.seed, NUM_LOADER_BATCHES),
            'waiting_share': measure_waiting(
                self.dataloader, self.step, device, min(self.num_steps, NUM_LOADER_BATCHES)
            ),
            'ema': measure_ema(hooks[0].motions[0], device) if hooks else None,
        }
