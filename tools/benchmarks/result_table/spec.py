"""Which configs, splits and seeds make a result table, and the runs that fill it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Options = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A method of the table.

    Attributes:
        name: as printed.
        config: its config file.
        options: entries of the config to change, dotted key -> value.
        columns: metrics that are printed for it, such as ``student/mIoU``.
        seeds: those of the table, or some of them.
        teachers: name of a teacher in the config -> the row that trains it.
    """

    name: str
    config: Path
    options: Options
    columns: tuple[str, ...]
    seeds: tuple[int, ...]
    teachers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """A data split: a name and the config entries that select it."""

    name: str
    options: Options


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        row: name of the method.
        split: name of the split.
        seed: seed of the run and of the split.
        config: config file.
        options: all changes of the config, the later one wins: table, row, split.
        folder: of the run, relative to that of the table.
        teachers: name of a teacher in the config -> the run of the same split and seed that it is.
    """

    row: str
    split: str
    seed: int
    config: Path
    options: Options
    folder: Path
    teachers: dict[str, Cell] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name that ``--only`` matches and messages show."""
        return self.folder.as_posix()


@dataclass(frozen=True)
class Table:
    """A result table.

    ``per_class`` names the split that is also shown class by class; ``step_time`` shows how long a
    training step takes.
    """

    file: Path
    name: str
    title: str
    readme: Path
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    splits: tuple[Split, ...]
    options: Options = field(default_factory=dict)
    per_class: str | None = None
    step_time: bool = False

    def cells(self) -> Iterator[Cell]:
        """Yield the runs, all methods and splits of a seed before the next seed."""
        for seed, split, row in itertools.product(self.seeds, self.splits, self.rows):
            if seed in row.seeds:
                yield self._cell(row, split, seed)

    def teachers_of(self, row: Row) -> list[Row]:
        """Return the rows that a row learns from, and those that they learn from, each once.

        Args:
            row: the row.
        """
        teachers = [other for other in self.rows if other.name in row.teachers.values()]
        found = [*teachers, *(far for near in teachers for far in self.teachers_of(near))]
        return list({row.name: row for row in found}.values())

    def _cell(self, row: Row, split: Split, seed: int) -> Cell:
        """Return a run, those of its teachers in it."""
        options = {**self.options, **row.options, **split.options}
        options = {key: _put_seed(value, seed) for key, value in options.items()}
        folder = Path(slug(row.name), slug(split.name), f'seed{seed}')
        by_name = {other.name: other for other in self.rows}
        teachers = {
            role: self._cell(by_name[name], split, seed) for role, name in row.teachers.items()
        }
        return Cell(row.name, split.name, seed, row.config, options, folder, teachers)


def slug(name: str) -> str:
    """Return a folder name: lower case, ``/`` and other signs as ``_``, as in ``1_32_11``."""
    return re.sub(r'[^a-z0-9.+-]+', '_', name.lower()).strip('_')


def _put_seed(value: Any, seed: int) -> Any:
    """Replace ``{seed}`` in a string or in the strings of a list."""
    if isinstance(value, list):
        return [_put_seed(item, seed) for item in value]
    return value.replace('{seed}', str(seed)) if isinstance(value, str) else value
