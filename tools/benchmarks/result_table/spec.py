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
        start: entry of the config that names a checkpoint -> the row whose last one it is.
    """

    name: str
    config: Path
    options: Options
    columns: tuple[str, ...]
    seeds: tuple[int, ...]
    teachers: dict[str, str] = field(default_factory=dict)
    start: dict[str, str] = field(default_factory=dict)

    @property
    def before(self) -> dict[str, str]:
        """The rows that must have run: those of its teachers and those that it starts from."""
        return {**self.teachers, **self.start}


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
        teachers: name of a teacher in the config -> the run that it is, of the same split and seed,
            or of the only seed of its row.
        start: entry of the config -> the run whose last checkpoint is put there.
    """

    row: str
    split: str
    seed: int
    config: Path
    options: Options
    folder: Path
    teachers: dict[str, Cell] = field(default_factory=dict)
    start: dict[str, Cell] = field(default_factory=dict)

    @property
    def before(self) -> list[Cell]:
        """The runs that must be done: its teachers and those that it starts from."""
        return [*self.teachers.values(), *self.start.values()]

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

    def rows_before(self, row: Row) -> list[Row]:
        """Return the rows that a row learns or starts from, and those before them, each once.

        Args:
            row: the row.
        """
        nearest = [other for other in self.rows if other.name in row.before.values()]
        found = [*nearest, *(far for near in nearest for far in self.rows_before(near))]
        return list({row.name: row for row in found}.values())

    def _cell(self, row: Row, split: Split, seed: int) -> Cell:
        """Return a run, those of its teachers in it."""
        options = {**self.options, **row.options, **split.options}
        options = {key: _put_seed(value, seed) for key, value in options.items()}
        folder = Path(slug(row.name), slug(split.name), f'seed{seed}')
        by_name = {other.name: other for other in self.rows}

        def runs(rows: dict[str, str]) -> dict[str, Cell]:
            return {
                key: self._cell(by_name[name], split, seed_before(by_name[name], seed))
                for key, name in rows.items()
            }

        before = runs(row.teachers), runs(row.start)
        return Cell(row.name, split.name, seed, row.config, options, folder, *before)


def seed_before(row: Row, seed: int) -> int:
    """Return the seed of the run of a row that a run of another row learns or starts from.

    Args:
        row: the row that comes before.
        seed: of the run that comes after.

    Returns:
        The same seed, or the only one that the row has.
    """
    return row.seeds[0] if len(row.seeds) == 1 else seed


def slug(name: str) -> str:
    """Return a folder name: lower case, ``/`` and other signs as ``_``, as in ``1_32_11``."""
    return re.sub(r'[^a-z0-9.+-]+', '_', name.lower()).strip('_')


def _put_seed(value: Any, seed: int) -> Any:
    """Replace ``{seed}`` in a string or in the strings of a list."""
    if isinstance(value, list):
        return [_put_seed(item, seed) for item in value]
    return value.replace('{seed}', str(seed)) if isinstance(value, str) else value
