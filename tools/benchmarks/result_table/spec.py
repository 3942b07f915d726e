"""The table file: which configs, splits and seeds make a result table."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TABLE_KEYS = {'name', 'title', 'readme', 'columns', 'seeds', 'rows', 'splits'}
OPTIONAL_TABLE_KEYS = {'options', 'per_class'}
Options = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A method of the table.

    Attributes:
        name: as printed.
        config: its config file.
        options: entries of the config to change, dotted key -> value.
        columns: metrics that are printed for it, such as ``student/mIoU``.
    """

    name: str
    config: Path
    options: Options
    columns: tuple[str, ...]


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
    """

    row: str
    split: str
    seed: int
    config: Path
    options: Options
    folder: Path

    @property
    def name(self) -> str:
        """Name that ``--only`` matches and messages show."""
        return self.folder.as_posix()


@dataclass(frozen=True)
class Table:
    """A result table; ``per_class`` names the split that is also shown class by class."""

    file: Path
    name: str
    title: str
    readme: Path
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    splits: tuple[Split, ...]
    options: Options = field(default_factory=dict)
    per_class: str | None = None

    def cells(self) -> Iterator[Cell]:
        """Yield the runs, all methods and splits of a seed before the next seed."""
        for seed, split, row in itertools.product(self.seeds, self.splits, self.rows):
            options = {**self.options, **row.options, **split.options}
            options = {key: _put_seed(value, seed) for key, value in options.items()}
            folder = Path(slug(row.name), slug(split.name), f'seed{seed}')
            yield Cell(row.name, split.name, seed, row.config, options, folder)


def load_table(file: Path) -> Table:
    """Read a table file.

    Args:
        file: YAML with ``name``, ``title``, ``readme``, ``columns``, ``seeds``, ``rows`` (``name``,
            ``config``, and if need be ``options`` and ``columns``), ``splits`` (``name``,
            ``options``), and if need be ``options`` and ``per_class``. ``{seed}`` in an option
            stands for the seed of the run. Paths are relative to the current folder.

    Returns:
        The table.

    Raises:
        FileNotFoundError: if the file or a config is missing.
        ValueError: if a key is missing or unknown, or two names are the same.
    """
    if not file.is_file():
        raise FileNotFoundError(f'no table file at {file} (looked from {Path.cwd()})')
    content = yaml.safe_load(file.read_text())
    _check_keys(content, TABLE_KEYS, OPTIONAL_TABLE_KEYS, f'{file}')
    columns = content['columns']
    rows = [_read_row(entry, columns, file) for entry in content['rows']]
    splits = []
    for entry in content['splits']:
        _check_keys(entry, {'name'}, {'options'}, f'{file}: splits')
        splits.append(Split(entry['name'], flatten(entry.get('options', {}), file)))
    _check_names('rows', rows, file)
    _check_names('splits', splits, file)
    per_class = content.get('per_class')
    if per_class is not None and per_class not in [split.name for split in splits]:
        raise ValueError(f'{file}: per_class names no split: {per_class!r}')
    return Table(
        file=file,
        name=content['name'],
        title=content['title'],
        readme=Path(content['readme']),
        seeds=tuple(content['seeds']),
        rows=tuple(rows),
        splits=tuple(splits),
        options=flatten(content.get('options', {}), file),
        per_class=per_class,
    )


def flatten(options: Mapping[str, Any], file: Path, prefix: str = '') -> Options:
    """Turn nested options into dotted keys.

    Args:
        options: values are scalars, lists of scalars, or mappings of such.
        file: named in the error.
        prefix: put in front of the keys.

    Returns:
        Dotted key -> scalar or list of scalars.

    Raises:
        ValueError: if a list holds anything but scalars, which the command line cannot carry.
    """
    flat: Options = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, file, f'{prefix}{key}.'))
            continue
        items = value if isinstance(value, list) else []
        if any(isinstance(item, list | Mapping) for item in items):
            raise ValueError(
                f'{file}: option {prefix}{key} is a list of lists or mappings, which the command '
                'line cannot carry: write a config for this row'
            )
        flat[f'{prefix}{key}'] = value
    return flat


def slug(name: str) -> str:
    """Return a folder name: lower case, ``/`` and other signs as ``_``, as in ``1_32_11``."""
    return re.sub(r'[^a-z0-9.+-]+', '_', name.lower()).strip('_')


def _read_row(entry: Mapping[str, Any], columns: list[str], file: Path) -> Row:
    """Read one entry of ``rows``."""
    _check_keys(entry, {'name', 'config'}, {'options', 'columns'}, f'{file}: rows')
    config = Path(entry['config'])
    if not config.is_file():
        raise FileNotFoundError(
            f'{file}: row {entry["name"]!r} names the config {config}, which is not there (looked '
            f'from {Path.cwd()}): start from the root of the repository, or correct the path'
        )
    options = flatten(entry.get('options', {}), file)
    return Row(entry['name'], config, options, tuple(entry.get('columns', columns)))


def _check_names(what: str, entries: Sequence[Row] | Sequence[Split], file: Path) -> None:
    """Refuse names that are no text, or that give the same folder."""
    for entry in entries:
        if not isinstance(entry.name, str):
            raise ValueError(f'{file}: {what}: name {entry.name!r} is a number: put it in quotes')
    folders = [slug(entry.name) for entry in entries]
    if not folders or len(set(folders)) < len(folders):
        raise ValueError(f'{file}: {what} needs entries with different names, got {folders}')


def _check_keys(entry: object, required: set[str], optional: set[str], where: str) -> None:
    """Refuse missing and unknown keys."""
    keys = set(entry) if isinstance(entry, Mapping) else set()
    if required - keys or keys - required - optional:
        raise ValueError(
            f'{where}: expected the keys {sorted(required)} and perhaps {sorted(optional)}, got '
            f'{sorted(keys)}'
        )


def _put_seed(value: Any, seed: int) -> Any:
    """Replace ``{seed}`` in a string or in the strings of a list."""
    if isinstance(value, list):
        return [_put_seed(item, seed) for item in value]
    return value.replace('{seed}', str(seed)) if isinstance(value, str) else value
