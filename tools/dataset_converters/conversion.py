"""What the converters share: many masks, several processes, and no half-written file."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PNG_END = b'IEND\xaeB`\x82'  # the last chunk of every PNG
CHUNK = 16  # masks that a process takes at a time
REPORT_SECONDS = 2.0
NUM_SHOWN = 5


@dataclass(frozen=True)
class Job:
    """One mask to make.

    Attributes:
        target: the PNG file.
        source: what the conversion takes: a file or annotations.
    """

    target: Path
    source: Any


Convert = Callable[[Any], np.ndarray]


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--num-workers`` and ``--partial``."""
    parser.add_argument(
        '--num-workers', type=int, default=os.cpu_count(), help='processes (default: one per core)'
    )
    parser.add_argument(
        '--partial', action='store_true', help='accept a part of the data set: counts may be small'
    )


def convert_masks(name: str, jobs: Sequence[Job], convert: Convert, num_workers: int) -> None:
    """Make the masks that are not there yet; stop it whenever you like and start it again.

    Args:
        name: of the set, for messages.
        jobs: what to make.
        convert: returns (H, W) uint8 labels of a job's source, or raises ValueError or OSError;
            picklable when there are several processes.
        num_workers: processes; 1 stays in this one.

    Raises:
        ValueError: after all others are made, if some cannot be; names the first ones.
    """
    todo = [job for job in jobs if not is_whole(job.target)]
    print(f'{name}: {len(jobs)} masks, {len(jobs) - len(todo)} of them are there already')
    for folder in {job.target.parent for job in todo}:
        folder.mkdir(parents=True, exist_ok=True)
    faults = []
    start = shown = time.monotonic()
    for number, fault in enumerate(_results(todo, convert, num_workers), 1):
        faults += [fault] if fault else []
        if time.monotonic() - shown > REPORT_SECONDS or number == len(todo):
            shown = time.monotonic()
            print(f'{name}: {progress(number, len(todo), shown - start)}', flush=True)
    if faults:
        rest = f'\n  and {len(faults) - NUM_SHOWN} more' if len(faults) > NUM_SHOWN else ''
        first = '\n  '.join(faults[:NUM_SHOWN])
        raise ValueError(
            f'{name}: {len(faults)} of {len(jobs)} masks could not be made:\n  {first}{rest}\n'
            'Repair these and start again: what is made is kept.'
        )


def _results(todo: Sequence[Job], convert: Convert, num_workers: int) -> Iterator[str | None]:
    """Yield what is wrong with each job, None where nothing is."""
    work = partial(_make, convert)
    is_single = num_workers <= 1
    with nullcontext() if is_single else ProcessPoolExecutor(num_workers) as pool:
        yield from map(work, todo) if is_single else pool.map(work, todo, chunksize=CHUNK)


def _make(convert: Convert, job: Job) -> str | None:
    """Make one mask; return what is wrong."""
    try:
        write_mask(job.target, convert(job.source))
    except (ValueError, OSError) as error:
        return f'{job.target.name}: {error}'
    return None


def write_mask(target: Path, labels: np.ndarray) -> None:
    """Write a one-channel PNG; its name appears when it is whole."""
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'made {labels.dtype} {labels.shape}, expected uint8 (H, W)')
    part = target.with_name(f'.{target.name}.part')
    Image.fromarray(labels).save(part, format='PNG')
    os.replace(part, target)


def is_whole(target: Path) -> bool:
    """Return whether a PNG is there with its end mark."""
    if not target.is_file() or target.stat().st_size < len(PNG_END):
        return False
    with target.open('rb') as file:
        file.seek(-len(PNG_END), os.SEEK_END)
        return file.read() == PNG_END


def progress(done: int, total: int, seconds: float) -> str:
    """Return a line such as ``50 of 200 (25 %), 10.0/s, 0:00:15 left``."""
    rate = done / max(seconds, 1e-9)
    left = int((total - done) / rate + 0.5)
    clock = f'{left // 3600}:{left % 3600 // 60:02d}:{left % 60:02d}'
    return f'{done} of {total} ({100 * done // total} %), {rate:.1f}/s, {clock} left'


def check_count(what: str, found: int, expected: int, is_partial: bool) -> None:
    """Refuse a count that is not the one of the whole data set.

    Raises:
        ValueError: if it is not; with ``is_partial`` only if it is 0 or too large.
    """
    if found == expected or (is_partial and 0 < found < expected):
        print(f'{what}: {found} of {expected}')
        return
    raise ValueError(
        f'{what}: found {found}, the data set has {expected}: fetch the rest, or accept a part '
        'with --partial'
    )


def read_labels(path: Path) -> np.ndarray:
    """Read a one-channel PNG as it is; palette images give their indices.

    Raises:
        ValueError: if it cannot be read or is no 8-bit image of one channel.
    """
    try:
        with Image.open(path) as image:
            mode, labels = image.mode, np.array(image)
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path} cannot be read ({error}): fetch it again') from error
    if mode not in ('L', 'P'):
        raise ValueError(f'{path} has mode {mode}, expected one 8-bit channel of ids or a palette')
    return labels


def read_lines(path: Path) -> list[str]:
    """Return the lines of a list, blank ones left out.

    Raises:
        FileNotFoundError: if it is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no list {path}: check the folder that you gave (data/README.md)')
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a list in one step."""
    part = path.with_name(f'.{path.name}.part')
    part.write_text(''.join(f'{line}\n' for line in lines))
    os.replace(part, path)
