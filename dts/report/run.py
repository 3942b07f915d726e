"""One run, as its folder tells it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dts.report.environment import Part, read_parts
from dts.report.logged import Logged, full_key, read_logged

RECORD_FILE = 'cell.json'  # of tools/benchmarks/run_table.py
Scores = dict[str, float]


@dataclass(frozen=True)
class Run:
    """What the files of a run say.

    Attributes:
        folder: its work dir.
        name: short name, different from that of the other runs.
        config: resolved config, None if it cannot be read.
        config_file: name of the config file.
        config_text: the config as text, empty if there is none.
        logged: curves.
        parts: processes.
        scores: ``<network>/<metric>`` in percent: of the test, else of the last validation.
        scores_source: where ``scores`` come from, in words; empty when there are none.
        record: what ``run_table.py`` kept of cost and commit, None for other runs.
    """

    folder: Path
    name: str
    config: dict[str, Any] | None
    config_file: str
    config_text: str
    logged: Logged
    parts: list[Part]
    scores: Scores
    scores_source: str
    record: dict[str, Any] | None

    def setting(self, path: str) -> Any:
        """Return an entry of the config, None if it is not there.

        Args:
            path: dotted, for example ``model.type``.
        """
        node: Any = self.config
        for key in path.split('.'):
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def fact(self, name: str) -> str | None:
        """Return what the newest log that tells it says.

        Args:
            name: see ``Part.facts``.
        """
        found = [part.facts[name] for part in self.parts if name in part.facts]
        return found[-1] if found else None

    @property
    def seed(self) -> int | None:
        """Seed of the run."""
        seed = self.setting('randomness.seed')
        told = self.fact('seed') if seed is None else seed
        return None if told is None else int(told)

    @property
    def max_iters(self) -> int | None:
        """Iterations that the config asks for."""
        value: int | None = self.setting('train_cfg.max_iters')
        return value

    @property
    def reached(self) -> int | None:
        """Highest step that the log or the name of a checkpoint shows."""
        names = [path.stem.removeprefix('iter_') for path in self.folder.glob('iter_*.pth')]
        steps = [int(name) for name in names if name.isdecimal()]
        if self.logged.last_step is not None:
            steps.append(self.logged.last_step)
        return max(steps, default=None)


def read_runs(work_dirs: Sequence[Path], names: Sequence[str] | None = None) -> list[Run]:
    """Read runs.

    Args:
        work_dirs: their folders.
        names: their names in the report; None makes them from the folders.

    Returns:
        One run per folder, in order.

    Raises:
        FileNotFoundError: if there is no such folder, or no training run in it.
        ValueError: if folders or names are given twice.
    """
    folders = [Path(os.path.abspath(folder)) for folder in work_dirs]
    names = list(names or short_names(folders))
    if len(set(folders)) < len(folders) or len(set(names)) < len(names):
        raise ValueError(f'runs and their names must differ, got {names} for {list(work_dirs)}')
    return [_read_run(folder, name) for folder, name in zip(folders, names, strict=True)]


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return the parts of paths in which they differ.

    Args:
        folders: absolute paths.

    Returns:
        ``a/seed0`` and ``b/seed1`` for ``/x/a/1_32/seed0`` and ``/x/b/1_32/seed1``; the last part
        of a single path.
    """
    if len(folders) == 1:
        return [folders[0].name]
    rows = [folder.parts for folder in folders]
    if len({len(row) for row in rows}) == 1:
        kept = [index for index, parts in enumerate(zip(*rows, strict=True)) if len(set(parts)) > 1]
        return ['/'.join(row[index] for index in kept) for row in rows]
    start = len(Path(os.path.commonpath(folders)).parts)
    return ['/'.join(row[start:]) or row[-1] for row in rows]


def _read_run(folder: Path, name: str) -> Run:
    """Read one run."""
    if not folder.is_dir():
        raise FileNotFoundError(f'no folder {folder}: give the work_dir of a training run')
    logged, parts = read_logged(folder), read_parts(folder)
    if not logged.num_parts and not parts:
        raise FileNotFoundError(
            f'{folder}: no */vis_data/scalars.json and no */*.log; give the work_dir of a training '
            'run, the folder with its checkpoints'
        )
    config, config_file, text = _read_config(folder)
    scores, source = _read_scores(folder, logged)
    return Run(
        folder=folder,
        name=name,
        config=config,
        config_file=config_file,
        config_text=text,
        logged=logged,
        parts=parts,
        scores=scores,
        scores_source=source,
        record=_read_json(folder / RECORD_FILE),
    )


def _read_config(folder: Path) -> tuple[dict[str, Any] | None, str, str]:
    """Return the newest config of a run, the name of its file, and its text."""
    dumped = sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)
    used = sorted(folder.glob('*/vis_data/config.py'))
    name = dumped[-1].name if dumped else ''
    for file in (*used[::-1], *dumped[::-1]):
        try:
            config = Config.fromfile(file, import_custom_modules=False)
        except (SyntaxError, ValueError, OSError, KeyError):  # a killed process left half of it
            continue
        return config.to_dict(), name or file.name, file.read_text(errors='replace')
    return None, name, ''


def _read_scores(folder: Path, logged: Logged) -> tuple[Scores, str]:
    """Return the scores of the test of a run, else of its last validation, and which they are."""
    others = sorted(folder.glob('test_*/test.json'), key=lambda file: file.stat().st_mtime)
    for file in (folder / 'test.json', *others[::-1]):
        found = _read_json(file)
        if found:
            return _finite(found), f'test set ({file.relative_to(folder)})'
    last = logged.last_validation()
    if last is None:
        return {}, ''
    return last[1], f'validation set at step {last[0]} (no test.json)'


def _finite(metrics: dict[str, Any]) -> Scores:
    """Return the metrics that have a value."""
    return {full_key(k): float(v) for k, v in metrics.items() if isinstance(v, int | float)}


def _read_json(file: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds, None if it is absent or torn."""
    try:
        content = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError):
        return None
    return content if isinstance(content, dict) else None
