"""The table file: YAML, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from result_table.spec import Options, Row, Split, Table, seed_before, slug

TABLE_KEYS = {'name', 'title', 'readme', 'columns', 'seeds', 'rows', 'splits'}
OPTIONAL_TABLE_KEYS = {'options', 'per_class', 'step_time'}
OPTIONAL_ROW_KEYS = {'options', 'columns', 'seeds', 'teachers', 'start'}


def load_table(file: Path) -> Table:
    """Read a table file.

    Args:
        file: YAML with ``name``, ``title``, ``readme``, ``columns``, ``seeds``, ``rows`` (``name``,
            ``config``, and if need be ``options``, ``columns``, ``seeds``, some of the table's,
            ``teachers``, name of a teacher in the config -> name of the row that trains it, and
            ``start``, entry of the config such as ``load_from`` -> name of the row whose last
            checkpoint is put there; a row with one seed serves those of all seeds),
            ``splits`` (``name``, ``options``), and if need be ``options``, ``per_class`` and
            ``step_time``. ``{seed}`` in an option stands for the seed of the run. Paths are
            relative to the current folder.

    Returns:
        The table.

    Raises:
        FileNotFoundError: if the file or a config is missing.
        ValueError: if a key is missing or unknown, two names are the same, or a row cannot have
            its teacher or its start.
    """
    if not file.is_file():
        raise FileNotFoundError(f'no table file at {file} (looked from {Path.cwd()})')
    content = yaml.safe_load(file.read_text())
    _check_keys(content, TABLE_KEYS, OPTIONAL_TABLE_KEYS, f'{file}')
    rows = [_read_row(entry, content, file) for entry in content['rows']]
    splits = []
    for entry in content['splits']:
        _check_keys(entry, {'name'}, {'options'}, f'{file}: splits')
        splits.append(Split(entry['name'], flatten(entry.get('options', {}), file)))
    _check_names('rows', rows, file)
    _check_names('splits', splits, file)
    _check_before(rows, file)
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
        step_time=content.get('step_time', False),
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


def _read_row(entry: Mapping[str, Any], table: Mapping[str, Any], file: Path) -> Row:
    """Read one entry of ``rows``."""
    _check_keys(entry, {'name', 'config'}, OPTIONAL_ROW_KEYS, f'{file}: rows')
    config = Path(entry['config'])
    if not config.is_file():
        raise FileNotFoundError(
            f'{file}: row {entry["name"]!r} names the config {config}, which is not there (looked '
            f'from {Path.cwd()}): start from the root of the repository, or correct the path'
        )
    before = {key: entry.get(key, {}) for key in ('teachers', 'start')}
    for key, value in before.items():
        if not isinstance(value, Mapping):
            raise ValueError(
                f'{file}: row {entry["name"]!r}: {key} must be a mapping, got {value!r}'
            )
    seeds = entry.get('seeds', table['seeds'])
    if not isinstance(seeds, list) or not seeds or not set(seeds) <= set(table['seeds']):
        raise ValueError(
            f'{file}: row {entry["name"]!r}: seeds must be some of {table["seeds"]}, got {seeds!r}'
        )
    return Row(
        name=entry['name'],
        config=config,
        options=flatten(entry.get('options', {}), file),
        columns=tuple(entry.get('columns', table['columns'])),
        seeds=tuple(seeds),
        teachers=dict(before['teachers']),
        start=dict(before['start']),
    )


def _check_before(rows: Sequence[Row], file: Path) -> None:
    """Refuse teachers and starts that are no row, lack a seed of the row, or come after it."""
    by_name = {row.name: row for row in rows}
    for row in rows:
        named = {f'teachers.{role}': name for role, name in row.teachers.items()}
        named |= {f'start.{entry}': name for entry, name in row.start.items()}
        for key, name in named.items():
            where = f'{file}: row {row.name!r}: {key} is {name!r}'
            if name not in by_name:
                raise ValueError(f'{where}, which is no row; rows: {list(by_name)}')
            wanted = {seed_before(by_name[name], seed) for seed in row.seeds}
            missing = sorted(wanted - set(by_name[name].seeds))
            if missing:
                raise ValueError(
                    f'{where}, which has not the seeds {missing}: give it these, or restrict '
                    f'`seeds` of {row.name!r}'
                )
    try:
        TopologicalSorter({row.name: row.before.values() for row in rows}).prepare()
    except CycleError as error:
        circle = ' teaches '.join(map(repr, error.args[1]))
        raise ValueError(f'{file}: no row can be the first to run: {circle}') from None


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
