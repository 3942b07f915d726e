"""Processes that a command line tool starts: they end with it, and it works alone in its folder."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1


def start_child(
    command: Sequence[str],
    log: IO[bytes],
    *,
    env: Mapping[str, str] | None = None,
    new_session: bool = False,
    death_signal: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process that does not outlive this one, however this one ends (on Linux).

    Args:
        command: program and arguments.
        log: open file that takes all output.
        env: its environment; None hands on that of this process.
        new_session: whether Ctrl-C reaches this process alone.
        death_signal: what the child gets when this process ends; a child with children of its own
            needs one that it can answer.

    Returns:
        The process.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=env,
        start_new_session=new_session,
        # it calls the kernel, nothing else
        preexec_fn=_die_with(os.getpid(), death_signal),  # noqa: PLW1509
    )


@contextmanager
def locked(folder: Path, program: str) -> Iterator[None]:
    """Keep a second process of the same program out of a folder.

    Args:
        folder: made if need be.
        program: its name, for the error.

    Yields:
        Nothing.

    Raises:
        ValueError: if another one is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / 'lock').open('w') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f'another {program} is at work in {folder}: wait for it, or take another folder'
            ) from None
        yield


def _die_with(parent: int, death_signal: int) -> Callable[[], None]:
    """Return what lets a child get a signal when this process ends, a Linux call."""
    prctl = getattr(ctypes.CDLL(None), 'prctl', None)

    def set_up() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it ended in between
            os._exit(1)

    return set_up
