"""Run stages as processes, one after the other, each from where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chain.plan import SCORES_FILE, StageRun, holds_settings
from chain.progress import describe_progress, describe_scores, read_progress, say
from dts.checkpoints.atomic import write_atomically
from dts.child_process import start_child

STATUS_SECONDS = 60.0
NUM_LAST_LINES = 15
LAUNCHER_SECONDS = 40.0  # torch.distributed.run kills processes that do not end within 30


def run_stages(runs: Sequence[StageRun], train_script: Path) -> None:
    """Run what is not finished.

    Args:
        runs: in their order.
        train_script: program that makes one run; of several processes every one runs it.

    Raises:
        SystemExit: if a stage fails; names its log and shows the end of it.
    """
    for index, run in enumerate(runs):
        label = f'[{index + 1}/{len(runs)}] {run.stage.name}'
        if run.is_finished():
            say(f'{label}: finished before {describe_scores(run.folder / SCORES_FILE)}')
            continue
        say(f'{label}: begins or goes on, log {run.log}')
        begin = time.monotonic()
        claim_folder(run.folder, run.manifest)
        later = sum(other.num_steps for other in runs[index + 1 :])
        exit_code = _train(run, train_script, label, later)
        if exit_code != 0 or not run.is_finished():
            raise SystemExit(_failure(run, exit_code))
        minutes = (time.monotonic() - begin) / 60
        scores = describe_scores(run.folder / SCORES_FILE)
        say(f'{label}: done in {minutes:.1f} min {scores}')


def claim_folder(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make a folder that holds a run of these settings, or nothing.

    A run of other settings is kept under another name.

    Args:
        folder: of the run.
        manifest: written as ``stage.json``, with ``settings``.
    """
    if holds_settings(folder, manifest['settings']):
        return
    if folder.exists():
        number = 0
        while (aside := folder.with_name(f'{folder.name}.old{number}')).exists():
            number += 1
        folder.rename(aside)
        say(f'{folder} holds a run of other settings: moved to {aside.name}')
    content = json.dumps(manifest, indent=2) + '\n'
    write_atomically(folder / 'stage.json', content.encode())


def _train(run: StageRun, train_script: Path, label: str, num_later_steps: int) -> int:
    """Train until the process ends, and return its exit code."""
    write_atomically(run.config_file, run.config.pretty_text.encode())
    # Without a checkpoint --resume starts from step 0.
    options = ['--work-dir', str(run.folder), '--resume']
    launch = {}
    if run.num_processes > 1:
        options += ['--launcher', 'pytorch']
        launch = {'death_signal': signal.SIGTERM}  # then the launcher ends its processes
    command = [*_program(train_script, run.num_processes), str(run.config_file), *options]
    with run.log.open('ab') as log:
        start = log.tell()
        process = start_child(command, log, **launch)
    try:
        while True:
            try:
                return process.wait(STATUS_SECONDS)
            except subprocess.TimeoutExpired:
                progress = read_progress(run.log, start)
                say(f'{label}: {describe_progress(progress, num_later_steps)}')
    finally:
        if launch and process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LAUNCHER_SECONDS)
        process.kill()
        process.wait()


def _program(train_script: Path, num_processes: int) -> list[str]:
    """Return the beginning of a command line, of several processes that of ``dist_train.sh``."""
    if num_processes == 1:
        return [sys.executable, str(train_script)]
    return [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--nnodes=1',
        '--node_rank=0',
        '--master_addr=127.0.0.1',
        f'--master_port={os.environ.get("PORT", "29500")}',
        f'--nproc_per_node={num_processes}',
        str(train_script),
    ]


def _failure(run: StageRun, exit_code: int) -> str:
    """Return what is to be said of a stage that did not finish."""
    if exit_code == 0:
        reason = f'left no whole {run.checkpoint.name} or no {SCORES_FILE}'
    else:
        reason = f'failed (exit code {exit_code})'
    lines = run.log.read_text(errors='replace').splitlines()[-NUM_LAST_LINES:]
    return '\n'.join(
        [
            f'error: stage {run.stage.name!r} {reason}; the same command goes on from its newest '
            f'checkpoint. Log {run.log}, its last lines:',
            *(f'  {line}' for line in lines),
        ]
    )
