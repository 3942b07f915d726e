"""The chain file: which trainings follow each other, and who teaches whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

PREVIOUS = 'previous'
ENSEMBLE = 'ensemble'
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._+-]*')
PLACE = re.compile(r'\$\{(\w+)\}')
STAGE_KEYS = {'teachers', 'start', 'options', 'seed', 'repeat'}
LOAD_FROM = 'load_from'


@dataclass(frozen=True)
class Stage:
    """One training.

    Attributes:
        name: also the name of its folder.
        config: config file.
        teachers: name of a teacher in the config -> the earlier stage that it is.
        start: entry of the config that names a checkpoint -> the earlier stage whose last one it
            is.
        options: entries of the config to change, nested or dotted.
        seed: seed of the run; None leaves the config's.
    """

    name: str
    config: Path
    teachers: dict[str, str] = field(default_factory=dict)
    start: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True)
class Chain:
    """Trainings in their order, and the stages that are evaluated together afterwards."""

    file: Path
    stages: tuple[Stage, ...]
    ensemble: tuple[str, ...] = ()


def load_chain(file: Path, values: Mapping[str, str] | None = None) -> Chain:
    """Read a chain file.

    Args:
        file: YAML with ``stages``, a list, and if need be ``ensemble``, a list of names of stages.
            A stage has ``name``, ``config``, and if need be ``teachers`` (name of a teacher in the
            config -> name of an earlier stage, or ``previous``), ``start`` (an earlier stage, whose
            last checkpoint is ``load_from`` of the config; or another entry -> earlier stage),
            ``options``, ``seed``, and ``repeat``: N copies called ``<name>-1`` to ``<name>-N``,
            whose seeds count up from ``seed``. Paths are relative to the current folder.
        values: name -> text that stands for ``${name}`` in the file.

    Returns:
        The chain, copies written out.

    Raises:
        FileNotFoundError: if the file or a config is missing.
        ValueError: if a value is missing or not asked for, a key is missing or unknown, a name is
            wrong or there twice, or a teacher or a start is no earlier stage.
    """
    if not file.is_file():
        raise FileNotFoundError(f'no chain file at {file} (looked from {Path.cwd()})')
    content = yaml.safe_load(_fill(file, values or {}))
    _check_keys(content, {'stages'}, {'ensemble'}, f'{file}')
    entries = content['stages']
    if not isinstance(entries, list) or not entries:
        raise ValueError(f'{file}: stages must be a list of stages, got {entries!r}')
    stages: list[Stage] = []
    for position, entry in enumerate(entries, 1):
        for stage in _read_stages(entry, f'{file}: stage {position}'):
            before = stages[-1].name if stages else None
            stages.append(_with_previous(stage, before, f'{file}: stage {stage.name!r}'))
    _check_names(stages, file)
    _check_teachers(stages, file)
    return Chain(file, tuple(stages), _read_ensemble(content, stages, file))


def _fill(file: Path, values: Mapping[str, str]) -> str:
    """Return the text of a chain file with values in their places; comments ask for none."""
    text = '\n'.join(line for line in file.read_text().splitlines() if line.strip()[:1] != '#')
    asked = {match[1] for match in PLACE.finditer(text)}
    if asked != set(values):
        places = ' '.join(f'--set {name}=...' for name in sorted(asked)) or 'no --set'
        raise ValueError(f'{file} asks for {places}, got {sorted(values) or "none"}')
    return PLACE.sub(lambda match: values[match[1]], text)


def _read_stages(entry: Any, where: str) -> list[Stage]:
    """Return the stage of one entry, or its copies."""
    if isinstance(entry, Mapping) and isinstance(entry.get('name'), str):
        where = f'{where} ({entry["name"]!r})'
    _check_keys(entry, {'name', 'config'}, STAGE_KEYS, where)
    if not isinstance(entry['name'], str) or not NAME.fullmatch(entry['name']):
        raise ValueError(
            f'{where}: name must be the name of a folder, a text of letters, digits and ._+-, got '
            f'{entry["name"]!r}'
        )
    config = Path(entry['config'])
    if not config.is_file():
        raise FileNotFoundError(
            f'{where}: no config at {config} (looked from {Path.cwd()}): start from the root of '
            'the repository, or correct the path'
        )
    start = entry.get('start', {})
    entry = {**entry, 'start': {LOAD_FROM: start} if isinstance(start, str) else start}
    for key in ('teachers', 'start', 'options'):
        if not isinstance(entry.get(key, {}), Mapping):
            raise ValueError(f'{where}: {key} must be a mapping, got {entry[key]!r}')
    for key in ('seed', 'repeat'):
        if not isinstance(entry.get(key, 1), int) or entry.get(key, 1) < (key == 'repeat'):
            raise ValueError(f'{where}: {key} must be a natural number, got {entry[key]!r}')
    mappings = (dict(entry.get(key, {})) for key in ('teachers', 'start', 'options'))
    parts = (config, *mappings)
    seed = entry.get('seed')
    if 'repeat' not in entry:
        return [Stage(entry['name'], *parts, seed)]
    return [
        Stage(f'{entry["name"]}-{i + 1}', *parts, None if seed is None else seed + i)
        for i in range(entry['repeat'])
    ]


def _with_previous(stage: Stage, before: str | None, where: str) -> Stage:
    """Return a stage whose ``previous`` is the name of the one before."""
    if PREVIOUS not in [*stage.teachers.values(), *stage.start.values()]:
        return stage
    if before is None:
        raise ValueError(f'{where}: it is the first one, no stage is {PREVIOUS}')
    teachers, start = (
        {key: before if name == PREVIOUS else name for key, name in named.items()}
        for named in (stage.teachers, stage.start)
    )
    return replace(stage, teachers=teachers, start=start)


def _check_names(stages: list[Stage], file: Path) -> None:
    """Refuse names that would share a folder or mean something else."""
    names = [stage.name for stage in stages]
    for name in names:
        if name in (PREVIOUS, ENSEMBLE):
            raise ValueError(f'{file}: no stage can be called {name!r}: take another name')
        if names.count(name) > 1:
            raise ValueError(f'{file}: two stages are called {name!r}: every stage needs its own')


def _check_teachers(stages: list[Stage], file: Path) -> None:
    """Refuse teachers and starts that are not trained by then; so there is no cycle."""
    names = [stage.name for stage in stages]
    for position, stage in enumerate(stages):
        named = {f'teachers.{role}': name for role, name in stage.teachers.items()}
        named |= {f'start.{entry}': name for entry, name in stage.start.items()}
        for key, name in named.items():
            where = f'{file}: stage {stage.name!r}: {key}'
            if name not in names:
                raise ValueError(
                    f'{where} is {name!r}, which is no stage; earlier stages: {names[:position]}'
                )
            if names.index(name) >= position:
                raise ValueError(
                    f'{where} is {name!r}, which is not trained before it: stages run in the order '
                    f'of the file, a teacher stands above its students, a start above what goes on'
                )


def _read_ensemble(content: Any, stages: list[Stage], file: Path) -> tuple[str, ...]:
    """Return the names of the stages that are evaluated together."""
    members = content.get('ensemble')
    if members is None:
        return ()
    names = [stage.name for stage in stages]
    is_right = isinstance(members, list) and len(members) > 1
    if not is_right or any(member not in names for member in members):
        raise ValueError(
            f'{file}: ensemble must be a list of two or more of the stages {names}, got {members!r}'
        )
    if len(set(members)) < len(members):
        raise ValueError(f'{file}: ensemble names a stage twice: {members}')
    return tuple(members)


def _check_keys(entry: object, required: set[str], optional: set[str], where: str) -> None:
    """Refuse missing and unknown keys."""
    keys = set(entry) if isinstance(entry, Mapping) else set()
    if required - keys or keys - required - optional:
        raise ValueError(
            f'{where}: expected the keys {sorted(required)} and perhaps {sorted(optional)}, got '
            f'{sorted(keys, key=str)}'
        )
