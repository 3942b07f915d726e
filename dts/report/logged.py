"""What a run logged: curves of training and validation, put together over resumed parts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCALARS = '*/vis_data/scalars.json'
STEP_KEYS = ('step', 'iter', 'epoch')
MAIN_NETWORK = 'student'  # of stock validation loops, whose metrics name no network
IOU = '/IoU.'

Series = dict[int, float]  # step -> value
Curves = dict[str, Series]


@dataclass
class Logged:
    """Curves of a run.

    Attributes:
        train: key as in the log -> series.
        val: ``<network>/<metric>`` -> series, in percent.
        num_parts: times that the run was started and logged something.
        num_torn: lines that could not be read, as a killed process or a full disk leaves them.
    """

    train: Curves = field(default_factory=dict)
    val: Curves = field(default_factory=dict)
    num_parts: int = 0
    num_torn: int = 0

    @property
    def last_step(self) -> int | None:
        """The highest step in the log, None when it is empty."""
        steps = [max(series) for series in (*self.train.values(), *self.val.values()) if series]
        return max(steps, default=None)

    def last_validation(self) -> tuple[int, dict[str, float]] | None:
        """Return step and metrics of the newest validation, None if there was none."""
        if not self.val:
            return None
        step = max(max(series) for series in self.val.values() if series)
        return step, {key: series[step] for key, series in self.val.items() if step in series}


def read_logged(work_dir: Path) -> Logged:
    """Read the scalars of a run, oldest part first.

    A resumed or restarted part replaces what earlier parts logged from its first step on, since the
    run that goes on did not take those steps.

    Args:
        work_dir: folder of the run.

    Returns:
        The curves; empty where there is no log. Values that are not finite are left out.
    """
    logged = Logged()
    for file in sorted(work_dir.glob(SCALARS)):
        lines = list(_lines(file))
        parsed = [line for line in lines if line is not None]
        logged.num_torn += len(lines) - len(parsed)
        if not parsed:
            continue
        logged.num_parts += 1
        first = min(line['step'] for line in parsed)
        for curves in (logged.train, logged.val):
            _forget_from(first, curves)
        for line in parsed:
            is_train = 'lr' in line or 'loss' in line
            _add(line, logged.train if is_train else logged.val, is_train)
    return logged


def full_key(key: str) -> str:
    """Return a metric's key with its network, ``student`` where the key names none.

    Args:
        key: of a metric.
    """
    return key if '/' in key else f'{MAIN_NETWORK}/{key}'


def split_key(key: str) -> tuple[str, str]:
    """Split a key into network and metric.

    Args:
        key: for example ``student/mIoU``, ``source/teacher.0/IoU.car``.

    Returns:
        Everything before the metric, and the metric.
    """
    network, found, name = key.partition(IOU)
    if found:
        return network, f'{IOU[1:]}{name}'
    network, _, metric = key.rpartition('/')
    return network, metric


def networks_of(keys: Mapping[str, Any]) -> list[str]:
    """Return the networks that have a mIoU, in order.

    Args:
        keys: ``<network>/<metric>`` -> anything.
    """
    split = [split_key(key) for key in keys]
    return [network for network, metric in split if metric == 'mIoU']


def _lines(file: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the lines of a log; None for one that is torn."""
    for text in file.read_text(errors='replace').splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            yield None
            continue
        is_whole = isinstance(line, dict) and isinstance(line.get('step'), int)
        yield line if is_whole else None


def _forget_from(step: int, curves: Curves) -> None:
    """Drop all values at and after a step."""
    for key, series in list(curves.items()):
        kept = {at: value for at, value in series.items() if at < step}
        if kept:
            curves[key] = kept
        else:
            del curves[key]


def _add(line: Mapping[str, Any], curves: Curves, is_train: bool) -> None:
    """Add the numbers of one line; validation lines carry times of loading that no one compares."""
    for key, value in line.items():
        is_number = isinstance(value, int | float) and math.isfinite(value)
        if not is_number or key in STEP_KEYS or (not is_train and key in ('time', 'data_time')):
            continue
        curves.setdefault(key if is_train else full_key(key), {})[line['step']] = float(value)


def default_names(work_dirs: Sequence[Path]) -> list[str]:
    """Return the names of the folders, or their paths where two are called the same.

    Args:
        work_dirs: folders of the runs.
    """
    names = [folder.name for folder in work_dirs]
    return names if len(set(names)) == len(names) else [str(folder) for folder in work_dirs]
