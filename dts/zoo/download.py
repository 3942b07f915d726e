"""Download of a file of the zoo: mirrors in order, resumed, checked, and whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dts.zoo.check import find_damage
from dts.zoo.index import ZooFile
from dts.zoo.transfer import Progress, TransferError, transfer

TIMEOUT = 30.0  # seconds without a byte
PART_SUFFIX = '.part'
LOCK_NAME = '.dts-zoo.lock'
_ATTEMPTS = 5  # per mirror, as long as each one brings bytes


def download(file: ZooFile, target: Path, *, progress: Progress, timeout: float = TIMEOUT) -> None:
    """Put a file where it belongs, or leave nothing there under its name.

    The bytes go to a hidden partial file beside it, which a later call goes on from, and take the
    name when size and SHA-256 are right. Of several processes one downloads, the others wait.

    Args:
        file: what the index says of it.
        target: where to put it; missing folders are made.
        progress: told after every chunk.
        timeout: seconds without a byte after which a server counts as stalled.

    Raises:
        FileNotFoundError: if no mirror gives the file; says why of each, and what to do by hand.
        ValueError: if the folder cannot be written to, or its disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent / LOCK_NAME):
            if target.is_file() and not find_damage(target, file):
                return  # another process was faster
            _from_mirrors(file, target, progress, timeout)
    except OSError as error:
        if error.errno is None:  # raised here, for mirrors that gave nothing
            raise
        raise ValueError(
            f'cannot write {file.name} to {target.parent}: {error.strerror}. Set the environment '
            'variable DTS_ZOO to a folder with space that is yours to write'
        ) from error


def by_hand(file: ZooFile, target: Path) -> str:
    """Say how to put a file where it is looked for.

    Args:
        file: what the index says of it.
        target: where it is looked for.
    """
    return (
        f'Without a way to the web, download {file.name} elsewhere and copy it to {target}, or set '
        'the environment variable DTS_ZOO to a folder that holds it; python tools/zoo.py verify '
        'checks it'
    )


def _from_mirrors(file: ZooFile, target: Path, progress: Progress, timeout: float) -> None:
    """Try mirror by mirror."""
    part = target.with_name(f'.{target.name}{PART_SUFFIX}')
    reasons = []
    for url in file.urls:
        try:
            _from_mirror(url, file, part, progress, timeout)
        except TransferError as error:
            reasons.append(f'\n  {url}: {error}')
            continue
        os.replace(part, target)
        return
    raise FileNotFoundError(
        f'{file.name} could not be downloaded. Mirrors tried:{"".join(reasons)}\n'
        + by_hand(file, target)
    )


def _from_mirror(url: str, file: ZooFile, part: Path, progress: Progress, timeout: float) -> None:
    """Complete the partial file; begin once more when what it was resumed from proves wrong."""
    damage = ''
    for attempt in range(1, _ATTEMPTS + 1):
        before = _size(part)
        if before and not find_damage(part, file):
            return  # complete, but its process ended before it took its name
        try:
            transfer(url, part, size=file.size, timeout=timeout, progress=progress)
        except TransferError:
            if _size(part) <= before or attempt == _ATTEMPTS:
                raise
            continue
        damage = find_damage(part, file)
        if not damage:
            return
        part.unlink()
        if not before:
            break
    raise TransferError(f'gives another file: {damage}')


def _size(part: Path) -> int:
    """Return how many bytes are there."""
    return part.stat().st_size if part.is_file() else 0


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time work in a folder; only POSIX has such locks."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        yield
        return
    with lock.open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
