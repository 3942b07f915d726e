"""A finished run, written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from written_runs import CONFIG, scores, train_line, val_line, write_part


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a finished Mean Teacher run of 100 steps."""

    def make(
        name: str, *, seed: int = 0, threshold: float = 0.9, miou: float = 50.0, car: float = 40.0
    ) -> Path:
        folder = tmp_path / name
        lines = [train_line(50, 2.0, stat_accepted_ratio=0.25), val_line(50, miou - 10)]
        lines += [train_line(100, 1.0, stat_accepted_ratio=0.75), val_line(100, miou)]
        write_part(folder, '20260102_100000', lines, seed)
        text = CONFIG.format(threshold=threshold, seed=seed, folder=folder)
        (folder / '20260102_100000/vis_data/config.py').write_text(text)
        (folder / 'toy.py').write_text(text)
        (folder / 'test.json').write_text(json.dumps(scores(miou, car)))
        attempts = [dict(commit='abc', cpu_seconds=90.0), dict(commit='def', cpu_seconds=30.0)]
        (folder / 'cell.json').write_text(json.dumps(dict(machine='M', attempts=attempts)))
        return folder

    return make
