"""Search for the newest whole checkpoint of a run."""

from __future__ import annotations

import logging
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log

_NAME = re.compile(r'iter_(\d+)\.pth')
RESUME_KEYS = ('meta', 'state_dict', 'message_hub', 'optimizer', 'dts')


def find_newest_checkpoint(work_dir: str | Path) -> Path | None:
    """Return the checkpoint that a killed run goes on from.

    The newest file is the one written last; iteration numbers decide between equal times only,
    since a folder may hold the files of an earlier, longer run. Torn files are left alone and named
    in the log. MMEngine's ``last_checkpoint`` is not asked: it may name a file that is gone.

    Args:
        work_dir: folder of the run.

    Returns:
        The newest ``iter_*.pth`` that is whole and resumable, or None if there is none.
    """
    candidates = sorted(_candidates(Path(work_dir)), key=_age, reverse=True)
    return next(filter(_is_resumable, candidates), None)


def check_whole(path: str | Path) -> dict[str, Any]:
    """Refuse a torn or damaged file of ours. Reads all of it and runs none of it.

    Args:
        path: a file that ``dts.CheckpointHook`` wrote.

    Returns:
        What is in it, tensors mapped from the disk.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is truncated, a check sum is wrong, or it holds anything but plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path} is not there: no checkpoint to read')
    damage = find_torn_part(path)
    if damage:
        raise ValueError(
            f'{path} is not a whole checkpoint ({path.stat().st_size} bytes): {damage}'
        )
    try:
        content = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f'{path} is not a plain checkpoint: {reason}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds a {type(content).__name__}, a checkpoint is a dictionary')
    return content


def check_resumable(path: str | Path) -> None:
    """Refuse a file that a run cannot go on from.

    Args:
        path: a checkpoint.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not whole, or lacks a part.
    """
    content = check_whole(path)
    missing = [key for key in RESUME_KEYS if key not in content]
    if missing:
        raise ValueError(
            f'{path} is no checkpoint to resume from, it lacks: {", ".join(missing)}. best_* and '
            'published files hold one model only; start a new run from them with --cfg-options '
            'load_from=FILE'
        )


def _is_resumable(path: Path) -> bool:
    """Return whether a run can go on from a file; log why not."""
    try:
        check_resumable(path)
    except ValueError as error:
        print_log(f'Passed over: {error}', logger='current', level=logging.WARNING)
        return False
    return True


def find_torn_part(path: Path) -> str:
    """Return what is wrong with the archive, empty if all its check sums are right.

    Args:
        path: a file that ``torch.save`` wrote, which itself never looks at the sums.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            torn = archive.testzip()
    # RuntimeError: a damaged flag makes the archive look encrypted or of an unknown method.
    except (zipfile.BadZipFile, EOFError, RuntimeError, OSError, ValueError) as error:
        return f'{error} (truncated, or no checkpoint at all)'
    return f'the check sum of {torn} is wrong' if torn else ''


def _candidates(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, published copies (``iter_8-0123abcd.pth``) left out."""
    return [path for path in folder.glob('iter_*.pth') if _NAME.fullmatch(path.name)]


def _age(path: Path) -> tuple[int, int]:
    """Return (time of writing, iteration)."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return path.stat().st_mtime_ns, int(match.group(1))
