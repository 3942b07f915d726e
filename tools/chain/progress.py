"""What the driver tells while a stage is going on."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

TAIL_BYTES = 20_000
LINE = re.compile(
    r'Iter\((\w+)\) *\[ *(\d+)/ *(\d+)\].*?eta: (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)'
)


class Progress(NamedTuple):
    """Newest line of a log that tells one: ``train``, ``val`` or ``test``, and where it is."""

    mode: str
    step: int
    num_steps: int
    seconds_left: int


def say(message: str) -> None:
    """Print with the time of day."""
    print(f'{time.strftime("%H:%M:%S")} {message}', flush=True)


def read_progress(log: Path, start: int) -> Progress | None:
    """Return how far a run is.

    Args:
        log: what it printed.
        start: size of the log when this attempt began.

    Returns:
        None while this attempt tells nothing.
    """
    with log.open('rb') as stream:
        stream.seek(max(start, log.stat().st_size - TAIL_BYTES))
        found = LINE.findall(stream.read().decode(errors='replace'))
    if not found:
        return None
    mode, step, num_steps, days, hours, minutes, seconds = found[-1]
    left = timedelta(int(days or 0), hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return Progress(mode, int(step), int(num_steps), int(left.total_seconds()))


def describe_progress(progress: Progress | None, num_later_steps: int) -> str:
    """Return where a stage is, and the time left for it and for the chain.

    Args:
        progress: of the stage.
        num_later_steps: iterations of the stages after it, which are taken to be as fast; their
            validation and test are not counted.

    Returns:
        Part of a line.
    """
    if progress is None:
        return 'starting'
    mode, step, num_steps, left = progress
    text = f'{mode} {step}/{num_steps}, {timedelta(seconds=left)} left'
    if mode != 'train' or step >= num_steps or num_later_steps == 0:
        return text
    chain_left = round(left * (1 + num_later_steps / (num_steps - step)))
    return f'{text}, chain about {timedelta(seconds=chain_left)}'


def describe_scores(file: Path) -> str:
    """Return the mIoU of every network in a file of scores, empty without the file.

    Args:
        file: ``test.json`` of a run.
    """
    if not file.is_file():
        return ''
    scores = json.loads(file.read_text())
    found = {key: value for key, value in scores.items() if key.endswith('mIoU')}
    return ', '.join(f'{key} {value:.2f}' for key, value in found.items() if value is not None)
