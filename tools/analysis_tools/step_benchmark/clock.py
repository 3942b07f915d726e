"""Time and memory of a call."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

MEGABYTE = 2**20


class Cost(NamedTuple):
    """Seconds of one call: CPU time of this process, and the clock on the wall."""

    cpu: float
    wall: float


def measure(function: Callable[[], Any], device: torch.device) -> Cost:
    """Time a call; a GPU finishes its work before the clock starts and before it stops.

    Args:
        function: what is timed.
        device: where it computes.

    Returns:
        Its cost.
    """
    synchronize(device)
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    synchronize(device)
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def measure_peak_memory(function: Callable[[], Any], device: torch.device) -> float | None:
    """Return by how much a call raises memory above what it found.

    Args:
        function: what is measured.
        device: where it computes.

    Returns:
        MiB of the allocator on a GPU, of the resident set elsewhere; None where the system does not
        tell (other systems than Linux).
    """
    if device.type == 'cuda':
        synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / MEGABYTE
    try:
        # Free memory that the allocator holds back would hide what the call takes.
        ctypes.CDLL(None).malloc_trim(0)
        Path('/proc/self/clear_refs').write_text('5')  # resets the high water mark
    except (OSError, AttributeError):
        return None
    before_kib = _read_status('VmRSS')
    function()
    return (_read_status('VmHWM') - before_kib) / 1024


def synchronize(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _read_status(key: str) -> int:
    """Return an entry of ``/proc/self/status`` in KiB."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{key}:'):
            return int(line.split()[1])
    raise KeyError(key)
