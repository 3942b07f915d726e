"""What the driver tells while runs are going on."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def say(message: str) -> None:
    """Print with the time of day."""
    print(f'{time.strftime("%H:%M:%S")} {message}', flush=True)


def estimate_seconds(
    durations: Sequence[float], elapsed: Sequence[float], num_waiting: int, jobs: int
) -> float | None:
    """Return how long a table still takes.

    Args:
        durations: of finished runs.
        elapsed: time that the running ones have taken.
        num_waiting: runs to start.
        jobs: runs at a time.

    Returns:
        Seconds; None while no run has finished.
    """
    if not durations:
        return None
    mean = sum(durations) / len(durations)
    work = num_waiting * mean + sum(max(0.0, mean - seconds) for seconds in elapsed)
    return work / min(jobs, max(1, num_waiting + len(elapsed)))


def read_progress(log: Path) -> str:
    """Return the last ``350/800`` of a training log, ``?`` when there is none."""
    with log.open('rb') as stream:
        stream.seek(max(0, log.stat().st_size - 20_000))
        tail = stream.read().decode(errors='replace')
    found = re.findall(r'Iter\((train|test)\)\s*\[\s*(\d+)/\s*(\d+)\]', tail)
    return '{} {}/{}'.format(*found[-1]) if found else '?'


def describe_progress(
    running: Mapping[str, tuple[float, Path]],
    num_waiting: int,
    durations: Sequence[float],
    jobs: int,
) -> str:
    """Return one line about what runs and how long it still takes.

    Args:
        running: name of a run -> seconds since its start, and its log.
        num_waiting: runs to start.
        durations: seconds that the finished runs took.
        jobs: runs at a time.

    Returns:
        The line.
    """
    elapsed = [seconds for seconds, _ in running.values()]
    seconds = estimate_seconds(durations, elapsed, num_waiting, jobs)
    steps = [f'{name} {read_progress(log)}' for name, (_, log) in running.items()]
    left = 'unknown' if seconds is None else f'{seconds / 60:.0f} min'
    return f'{num_waiting} waiting, running: {"; ".join(steps)}; time left: {left}'
