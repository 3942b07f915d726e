"""Work dirs as a run leaves them, written by hand: every number in them is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOG = """{start} - mmengine - INFO -
------------------------------------------------------------
System environment:
    Python: 3.11.7 (main, May  9 2026)
    PyTorch: 2.13.0+cpu
    MMEngine: 0.10.7

Runtime environment:
    seed: {seed}
    GPU number: 2
------------------------------------------------------------
{end} - mmengine - INFO - Saving checkpoint at 100 iterations
"""
CONFIG = """model = dict(type='dts.MeanTeacher', threshold={threshold}, student=dict(type='X'))
train_dataloader = dict(batch_size=4, dataset=dict(streams=dict(
    labeled=dict(ann_file='splits/seed{seed}/labeled.txt'))))
train_cfg = dict(max_iters=100, val_interval=50)
randomness = dict(seed={seed})
work_dir = '{folder}'
"""


def train_line(step: int, loss: float, **more: float) -> dict[str, Any]:
    return {
        'lr': 0.1,
        'loss': loss,
        'time': 0.5,
        'data_time': 0.1,
        'iter': step,
        'step': step,
    } | more


def val_line(step: int, miou: float) -> dict[str, Any]:
    return {'student/mIoU': miou, 'teacher/mIoU': miou + 1, 'time': 9.0, 'step': step}


def scores(miou: float, car: float) -> dict[str, float]:
    found = {}
    for shift, network in enumerate(('student', 'teacher')):
        metrics = {'mIoU': miou, 'mAcc': 60.0, 'aAcc': 80.0, 'IoU.road': 90.0, 'IoU.car': car}
        found |= {f'{network}/{name}': value + shift for name, value in metrics.items()}
    return found


def write_part(folder: Path, stamp: str, lines: list[dict[str, Any]], seed: int = 0) -> None:
    """One process: scalars, config and a log of ten minutes."""
    part = folder / stamp
    (part / 'vis_data').mkdir(parents=True)
    text = ''.join(f'{json.dumps(line)}\n' for line in lines)
    (part / 'vis_data/scalars.json').write_text(text)
    times = dict(start='2026/01/02 10:00:00', end='2026/01/02 10:10:00')
    (part / f'{stamp}.log').write_text(LOG.format(seed=seed, **times))
