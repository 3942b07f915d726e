"""Start the runs of a table as processes, a few at a time, and keep their records."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dts.child_process import start_child
from result_table.configs import config_file, write_configs
from result_table.progress import describe_progress, say
from result_table.records import (
    SCORES_FILE,
    Attempt,
    Record,
    describe_machine,
    describe_versions,
    git_commit,
    is_done,
    now,
    read_record,
    settings_hash,
    write_record,
)
from result_table.results import Results
from result_table.schedule import Schedule
from result_table.spec import Cell

LOG_FILE = 'train.log'
POLL_SECONDS = 0.2
RECORD_SECONDS = 5.0
STATUS_SECONDS = 60.0
CLOCK_TICKS = os.sysconf('SC_CLK_TCK')


@dataclass
class Running:
    """A run whose process is alive."""

    cell: Cell
    folder: Path
    record: Record
    process: subprocess.Popen[bytes]
    started: float

    @property
    def attempt(self) -> Attempt:
        """The attempt that the process is."""
        return self.record.attempts[-1]


def train_command(cell: Cell, root: Path, train_script: Path, *, resume: bool) -> list[str]:
    """Return the command line of a run.

    Args:
        cell: the run; with runs before it, it reads their files from its complete config.
        root: folder of the table.
        train_script: program to run.
        resume: whether to go on from its newest checkpoint.

    Returns:
        The arguments, with the Python of this process in front.
    """
    options = {'final_test': True, **cell.options}
    config = config_file(cell, root) if cell.before else cell.config
    command = [sys.executable, str(train_script), str(config)]
    command += ['--work-dir', str(root / cell.folder)]
    command += ['--seed', str(cell.seed), *(['--resume'] if resume else []), '--cfg-options']
    return command + [f'{key}={option_text(value)}' for key, value in options.items()]


def option_text(value: Any) -> str:
    """Return a scalar or a list of scalars as ``--cfg-options`` reads it."""
    if isinstance(value, list):
        return f'[{",".join(map(option_text, value))}]'
    return str(value)


def run_cells(
    cells: Sequence[Cell],
    root: Path,
    *,
    jobs: int,
    train_script: Path,
    results: Results,
    on_finished: Callable[[], None],
) -> list[str]:
    """Run what is not done, one single-threaded process per job.

    Children do not outlive this process, however it ends; called again, it goes on where they were.

    Args:
        cells: the runs.
        root: folder of the table.
        jobs: processes at a time.
        train_script: program to run.
        results: of finished runs, which are not run again; their changes do not make the code
            dirty.
        on_finished: called after every run that ended well.

    Returns:
        One line for every run that failed, or could not start for want of its teacher.
    """
    schedule = Schedule(cells, root, results)
    waiting = schedule.waiting
    total = len(cells)
    say(f'{total} runs, {total - len(waiting)} done before, {jobs} at a time')
    running: list[Running] = []
    failures: list[str] = []
    durations: list[float] = []
    with _killed_at_exit(running):
        last_record = last_status = time.monotonic()
        while waiting or running:
            failures += schedule.pop_orphans([run.cell for run in running])
            while len(running) < jobs and (cell := schedule.pop()):
                running.append(_start(cell, root, train_script, results.file))
                say(f'start {cell.name}')
            time.sleep(POLL_SECONDS)
            for run in [run for run in running if _has_ended(run)]:
                running.remove(run)
                if is_done(run.folder, run.record.settings):
                    schedule.finish(run.cell)
                    on_finished()
                    durations.append(run.record.wall_seconds)
                    verb = 'done'
                else:
                    failures.append(f'FAILED, see {run.folder / LOG_FILE}')
                    verb = f'FAILED (exit code {run.attempt.exit_code})'
                finished = total - len(waiting) - len(running)
                minutes = run.record.cpu_seconds / 60
                say(f'[{finished}/{total}] {verb} {run.cell.name}, {minutes:.1f} CPU min')
            if time.monotonic() - last_record > RECORD_SECONDS:
                last_record = time.monotonic()
                for run in running:
                    _update_record(run)
            if time.monotonic() - last_status > STATUS_SECONDS:
                last_status = time.monotonic()
                going = {run.cell.name: _elapsed(run) for run in running}
                say(describe_progress(going, len(waiting), durations, jobs))
    return failures


def _elapsed(run: Running) -> tuple[float, Path]:
    """Return the seconds since the start of a run, and its log."""
    return time.monotonic() - run.started, run.folder / LOG_FILE


def _start(cell: Cell, root: Path, train_script: Path, results: Path) -> Running:
    """Start or resume a run."""
    folder = root / cell.folder
    settings = settings_hash(cell)
    record = read_record(folder)
    if folder.exists() and (record is None or record.settings != settings):
        _move_aside(folder)
        record = None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORES_FILE).unlink(missing_ok=True)  # of a teacher that is trained once more
    resume = record is not None
    command = train_command(cell, root, train_script, resume=resume)
    if cell.before:
        write_configs(cell, root)
    if record is None:
        record = Record(settings, command, describe_machine(), describe_versions())
    record.attempts.append(Attempt(started=now(), commit=git_commit(results)))
    write_record(record, folder)
    with (folder / LOG_FILE).open('ab') as log:
        env = {**os.environ, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
        process = start_child(command, log, env=env, new_session=True)
    return Running(cell, folder, record, process, time.monotonic())


def _move_aside(folder: Path) -> None:
    """Keep a run of other settings under another name."""
    index = 0
    while (aside := folder.with_name(f'{folder.name}.old{index}')).exists():
        index += 1
    folder.rename(aside)
    say(f'{folder} holds a run of other settings: moved to {aside.name}')


def _has_ended(run: Running) -> bool:
    """Return whether the process ended; then its record is complete."""
    pid, status, usage = os.wait4(run.process.pid, os.WNOHANG)
    if pid == 0:
        return False
    run.process.returncode = os.waitstatus_to_exitcode(status)
    run.attempt.exit_code = run.process.returncode
    run.attempt.cpu_seconds = usage.ru_utime + usage.ru_stime
    run.attempt.wall_seconds = time.monotonic() - run.started
    write_record(run.record, run.folder)
    return True


def _update_record(run: Running) -> None:
    """Keep the cost so far, in case this process is killed."""
    with contextlib.suppress(OSError):  # no /proc, or it just ended
        stat = Path(f'/proc/{run.process.pid}/stat').read_text()
        ticks = stat.rpartition(')')[2].split()[11:15]  # utime, stime, cutime, cstime
        run.attempt.cpu_seconds = sum(map(int, ticks)) / CLOCK_TICKS
    run.attempt.wall_seconds = time.monotonic() - run.started
    write_record(run.record, run.folder)


@contextmanager
def _killed_at_exit(running: list[Running]) -> Iterator[None]:
    """Kill what still runs when this process is interrupted or fails."""

    def interrupt(signum: int, _frame: Any) -> None:
        raise SystemExit(128 + signum)

    signals = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for run in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)
        for run in running:
            while not _has_ended(run):
                time.sleep(0.01)
        for number, handler in previous.items():
            signal.signal(number, handler)
