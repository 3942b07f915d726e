"""Runs that differ in their seed alone, and means over them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dts.report.run import Run

# What decides the numbers of a run; where it logs and saves does not.
DECIDING_KEYS = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
)


@dataclass(frozen=True)
class Group:
    """Runs of one setting.

    Attributes:
        name: what their names have in common.
        runs: at least one.
    """

    name: str
    runs: list[Run]

    def scores(self, key: str) -> dict[int, float]:
        """Return seed -> score; runs without the score are left out.

        Args:
            key: ``<network>/<metric>``.
        """
        # A run whose seed is not known still counts, beside the others.
        seeds = [-1 - i if run.seed is None else run.seed for i, run in enumerate(self.runs)]
        pairs = zip(seeds, self.runs, strict=True)
        return {seed: run.scores[key] for seed, run in pairs if key in run.scores}


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Put runs together whose configs agree but for the seed.

    The number in names such as ``seed0`` of folders and lists counts as part of the seed. A run
    with a seed that its group has already, or without a readable config, is a group of its own.

    Args:
        runs: in the order of the report.

    Returns:
        The groups, in the order of their first run.
    """
    members: dict[str, list[Run]] = {}
    for index, run in enumerate(runs):
        key = str(index) if run.config is None else _identity(run.config)
        if any(run.seed == other.seed for other in members.get(key, [])):
            key = f'{key} {index}'
        members.setdefault(key, []).append(run)
    names = _distinct([_common_name(group) for group in members.values()])
    return [Group(name, group) for name, group in zip(names, members.values(), strict=True)]


def _identity(config: Mapping[str, Any]) -> str:
    """Return what is equal for runs that differ in their seed alone."""
    content = {key: config.get(key) for key in DECIDING_KEYS}
    text = json.dumps(content, sort_keys=True, default=str)
    return re.sub(r'seed_?\d+', 'seed*', text)


def _common_name(runs: Sequence[Run]) -> str:
    """Return what the names of runs share, else the config's."""
    if len(runs) == 1:
        return runs[0].name
    rows = [Path(run.name).parts for run in runs]
    shared = [part for part in rows[0] if all(part in row for row in rows)]
    return '/'.join(shared) or Path(runs[0].config_file).stem or runs[0].name


def _distinct(names: Sequence[str]) -> list[str]:
    """Number names that occur more than once."""
    counted = [f'{name} ({names[:i].count(name) + 1})' for i, name in enumerate(names)]
    return [c if names.count(name) > 1 else name for c, name in zip(counted, names, strict=True)]
