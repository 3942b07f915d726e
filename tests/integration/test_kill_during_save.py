"""SIGKILL at random moments of a process that does nothing but save, through the real hook."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.logging import MessageHub
from mmengine.runner.checkpoint import save_checkpoint

from dts.checkpoints.atomic import TEMPORARY_SUFFIX
from dts.checkpoints.find import check_whole, find_newest_checkpoint
from dts.hooks.checkpoint import CheckpointHook

NUM_KILLS = 50
NUM_VALUES = 2**20  # 4 MiB in float32


class _SavingRunner(SimpleNamespace):
    """What the hook asks of a runner; the file is written by MMEngine's own function."""

    def save_checkpoint(self, out_dir: str, name: str, *, meta: dict, backend_args: dict, **_: Any):
        weights = torch.from_numpy(np.full(NUM_VALUES, meta['iter'], dtype=np.float32))
        checkpoint = dict(
            meta=meta, state_dict=dict(w=weights), message_hub={}, optimizer={}, dts={}
        )
        save_checkpoint(checkpoint, str(Path(out_dir, name)), backend_args=backend_args)


def _save_for_ever(folder: Path, first: int, report: int) -> None:
    """Save iteration after iteration and report each one that the hook returned from."""
    hook = CheckpointHook(interval=1, max_keep_ckpts=1)
    hook.out_dir = str(folder)
    hook.file_backend = get_file_backend(backend_args=hook.backend_args)
    hook.keep_ckpt_ids = [first - 1]
    hub = MessageHub('saving')
    runner = _SavingRunner(work_dir=str(folder), message_hub=hub)
    for iteration in range(first, first + 10_000):
        hook._save_checkpoint_with_step(runner, iteration, dict(epoch=0, iter=iteration))
        os.write(report, f'{iteration}\n'.encode())


@contextmanager
def _saving_process(folder: Path, first: int) -> Iterator[tuple[int, int]]:
    """Fork a process that saves; yields (its id, the end of a pipe that names what is saved)."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _save_for_ever(folder, first, write_end)
        finally:
            os._exit(1)
    os.close(write_end)
    try:
        yield pid, read_end
    finally:
        os.close(read_end)


@pytest.mark.slow
def test_every_kill_leaves_the_last_saved_state(tmp_path: Path) -> None:
    rng = random.Random(0)
    saved = 0
    num_in_writing = 0
    for _ in range(NUM_KILLS):
        with _saving_process(tmp_path, saved + 1) as (pid, pipe):
            lines = os.read(pipe, 2**16)  # waits for the first save
            time.sleep(rng.uniform(0.0, 0.03))
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            assert os.WIFSIGNALED(status), 'the process ended by itself: saving failed'
            while more := os.read(pipe, 2**16):
                lines += more
        saved = int(lines.split()[-1])
        for leftover in tmp_path.glob(f'.*{TEMPORARY_SUFFIX}'):
            num_in_writing += 1
            leftover.unlink()

        # No file under a final name is ever torn, and the newest is not older than the last report.
        for path in tmp_path.glob('iter_*.pth'):
            check_whole(path)
        assert Path((tmp_path / 'last_checkpoint').read_text()).is_file()
        newest = find_newest_checkpoint(tmp_path)
        assert newest is not None
        content = torch.load(newest)
        assert newest.name == f'iter_{content["meta"]["iter"]}.pth'
        assert saved <= content['meta']['iter'] <= saved + 1
        assert torch.equal(
            content['state_dict']['w'], torch.full((NUM_VALUES,), float(content['meta']['iter']))
        )
        saved = content['meta']['iter']
    # The kills did hit writes, else this test shows nothing.
    assert num_in_writing >= NUM_KILLS // 5
