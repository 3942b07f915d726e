"""What surrounds a step: the loader, waiting for it, and the motion of the teacher."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from dts.teachers.ema import EmaMotion
from step_benchmark.clock import measure

EMA_REPEATS = 30
FLUSH_BYTES = 128 * 2**20
CPU = torch.device('cpu')


def measure_loader(config: dict[str, Any], seed: int, num_batches: int) -> dict[str, float]:
    """Return how fast one core loads and transforms.

    Args:
        config: of the data loader; read here without workers.
        seed: of the run.
        num_batches: batches to load, after one that is not counted.

    Returns:
        ``images_per_cpu_second`` and ``cpu_seconds_per_batch``; an unlabelled image with two views
        is one image.
    """
    alone = {**config, 'num_workers': 0, 'persistent_workers': False, 'prefetch_factor': None}
    loader = Runner.build_dataloader(alone, seed=seed)
    iterator = iter(loader)
    next(iterator)
    costs = [measure(lambda: next(iterator), CPU).cpu for _ in range(num_batches)]
    batch_seconds = statistics.fmean(costs)
    return {
        'images_per_cpu_second': loader.batch_size / batch_seconds,
        'cpu_seconds_per_batch': batch_seconds,
    }


def measure_waiting(
    loader: DataLoader, step: Callable[[Any], None], device: torch.device, num_steps: int
) -> float:
    """Return the share of the time of training that goes by until a batch is there.

    Args:
        loader: as in training, workers included.
        step: trains on a batch.
        device: where it computes.
        num_steps: steps to take, after one that is not counted.

    Returns:
        Waiting time / (waiting time + time of the steps), on the wall.
    """
    iterator = iter(loader)
    step(next(iterator))
    waited = stepped = 0.0
    for _ in range(num_steps):
        batches: list[Any] = []
        waited += measure(lambda: batches.append(next(iterator)), CPU).wall  # noqa: B023
        stepped += measure(lambda: step(batches[0]), device).wall  # noqa: B023
    return waited / (waited + stepped)


def measure_ema(motion: EmaMotion, device: torch.device) -> dict[str, float]:
    """Compare the motion of a teacher with a plain copy of as many bytes, caches cold for both.

    Args:
        motion: the motion; it is carried out.
        device: where the weights are.

    Returns:
        ``seconds``, ``bytes`` (reads and writes), ``bytes_per_second``, ``copy_bytes_per_second``
        and ``share`` (of the two).
    """
    network = motion.teacher.segmentor
    weights = sum(_num_bytes(weight) for weight in network.parameters())
    buffers = sum(_num_bytes(buffer) for buffer in network.buffers())
    moved = 3 * weights + 2 * buffers  # read teacher and student, write teacher; buffers are copied
    source = torch.ones(weights // 4, device=device)
    target = torch.zeros_like(source)
    flush = torch.zeros(FLUSH_BYTES // 4, device=device)
    moves, copies = [], []
    for _ in range(EMA_REPEATS):
        flush.add_(1)
        moves.append(measure(lambda: motion.update(motion.teacher.updates), device).wall)
        flush.add_(1)
        copies.append(measure(lambda: target.copy_(source), device).wall)
    seconds = statistics.median(moves)
    copy_rate = 2 * _num_bytes(source) / statistics.median(copies)
    return {
        'seconds': seconds,
        'bytes': moved,
        'bytes_per_second': moved / seconds,
        'copy_bytes_per_second': copy_rate,
        'share': moved / seconds / copy_rate,
    }


def _num_bytes(tensor: Tensor) -> int:
    """Return the size of a tensor."""
    return tensor.numel() * tensor.element_size()
