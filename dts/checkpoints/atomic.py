"""File backend that never leaves a half-written file under its final name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

TEMPORARY_SUFFIX = '.dts-tmp'


class AtomicLocalBackend(LocalBackend):
    """Local files, of which a reader sees the old content or the new one, whenever a run dies.

    The content goes to a temporary file in the same folder, is forced to the disk, and takes the
    place of the old file in one step. Use it by ``backend_args=dict(backend='dts.atomic')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes.

        Args:
            obj: the content.
            filepath: where to; missing folders are made.

        Raises:
            OSError: if the content could not be written (disk full, quota, permission); a file of
                that name keeps its old content, and no temporary file is left.
        """
        write_atomically(Path(filepath), obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text.

        Args:
            obj: the content.
            filepath: where to; missing folders are made.
            encoding: encoding of the file.

        Raises:
            OSError: as ``put``.
        """
        write_atomically(Path(filepath), obj.encode(encoding))


register_backend('dts.atomic', AtomicLocalBackend, force=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step.

    Args:
        path: the file; missing folders are made.
        content: its new content.

    Raises:
        OSError: if the content could not be written; the old file is untouched.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(temporary, content)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, _explain(path, len(content), error), str(path)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_temporary_files(folder: Path) -> list[Path]:
    """Remove what killed runs left behind.

    Args:
        folder: where checkpoints are written.

    Returns:
        The files that were removed.
    """
    leftovers = sorted(folder.glob(f'.*{TEMPORARY_SUFFIX}'))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return leftovers


def _write_through(path: Path, content: bytes) -> None:
    """Write and wait until the disk has it: a rename may reach the disk before the content."""
    with path.open('wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the new name; only POSIX opens folders."""
    if not hasattr(os, 'O_DIRECTORY'):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain(path: Path, num_bytes: int, error: OSError) -> str:
    """Say what could not be written, what it takes, and what is left."""
    try:
        free = f'{shutil.disk_usage(path.parent).free / 2**20:.1f} MiB are free'
    except OSError:
        free = 'free space unknown'
    return (
        f'{error.strerror or error}: {path.name} needs {num_bytes / 2**20:.1f} MiB, {free} in '
        f'{path.parent}. Files written before are untouched. Make space (for example '
        '--cfg-options default_hooks.checkpoint.max_keep_ckpts=1), then go on with --resume'
    )
