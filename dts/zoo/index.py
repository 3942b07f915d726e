"""The index of the zoo: what there is, where it comes from, how its files are told from others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

INDEX_FILE = Path(__file__).with_name('index.yml')
KINDS = ('backbone', 'model')


@dataclass(frozen=True)
class ZooFile:
    """One file of an entry.

    Attributes:
        name: name of the file on disk, the same at every mirror.
        urls: mirrors, tried in this order; empty if there is none to download from.
        size: in bytes, None where it is not published.
        sha256: 64 hexadecimal digits, None where they are not published.
        sha256_prefix: the first 8 or more of them, where no more is published.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None
    sha256: str | None
    sha256_prefix: str | None

    @property
    def assurance(self) -> str:
        """What a check of this file rests on, in words."""
        if self.sha256:
            return 'SHA-256'
        if self.sha256_prefix:
            return f'first {len(self.sha256_prefix)} digits of SHA-256'
        return 'not checked: made on this machine'


@dataclass(frozen=True)
class Manual:
    """What a person has to do for a file that no program can download.

    Attributes:
        page: where the published file is found.
        published: its name there.
        command: makes our file out of it; ``{file}`` stands for the path of ours.
    """

    page: str
    published: str
    command: str


@dataclass(frozen=True)
class Entry:
    """One name of the zoo.

    Attributes:
        name: unique.
        kind: ``backbone`` (weights for ``init_cfg``) or ``model`` (a segmentor).
        summary: one line.
        license: of the weights.
        source: page of the project that made them.
        files: the weights come first.
        config: of a model, path below the repository.
        package: name of the installable package that holds the file, None for others.
        manual: for files that are downloaded by hand, None for others.
    """

    name: str
    kind: str
    summary: str
    license: str
    source: str
    files: tuple[ZooFile, ...]
    config: str | None = None
    package: str | None = None
    manual: Manual | None = None


def read_index(file: Path | None = None) -> dict[str, Entry]:
    """Return all entries by name, in the order of the file.

    Args:
        file: an index; None for the one of this package.

    Raises:
        ValueError: if an entry is not well formed; names it and what is wrong.
    """
    file = file or INDEX_FILE
    entries: dict[str, Entry] = {}
    for raw in yaml.safe_load(file.read_text(encoding='utf-8'))['entries']:
        where = f'{file.name}: entry {raw.get("name")!r}'
        entry = _entry(raw, where)
        if entry.name in entries:
            raise ValueError(f'{where} is there twice')
        entries[entry.name] = entry
    return entries


def find_entry(name: str) -> Entry:
    """Return one entry of the index of this package.

    Args:
        name: its name.

    Raises:
        ValueError: if there is none; names the closest ones.
    """
    entries = read_index()
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(name, entries, n=3, cutoff=0.4)
    hint = f'did you mean {", ".join(close)}? ' if close else ''
    raise ValueError(
        f'the zoo has nothing named {name!r}: {hint}python tools/zoo.py list shows all names'
    )


def _entry(raw: Mapping[str, Any], where: str) -> Entry:
    """Build an entry and check what its fields demand of each other."""
    values = dict(raw)
    values['files'] = tuple(_file(item, where) for item in values.get('files') or ())
    if values.get('manual') is not None:
        values['manual'] = _build(Manual, values['manual'], f'{where}, manual')
    entry: Entry = _build(Entry, values, where)
    if entry.kind not in KINDS:
        raise ValueError(f'{where} has kind {entry.kind!r}, expected one of {", ".join(KINDS)}')
    if not entry.files:
        raise ValueError(f'{where} names no files')
    if entry.kind == 'model' and entry.config is None:
        raise ValueError(f'{where} is a model and names no config')
    if entry.manual is None:
        unchecked = [f.name for f in entry.files if not f.sha256 and not f.sha256_prefix]
        if unchecked:
            raise ValueError(f'{where} gives neither sha256 nor sha256_prefix of {unchecked[0]}')
    return entry


def _file(raw: Mapping[str, Any], where: str) -> ZooFile:
    """Build a file and check its values."""
    urls = tuple(raw.get('urls') or ())
    file: ZooFile = _build(ZooFile, {**raw, 'urls': urls}, f'{where}, file')
    if Path(file.name).name != file.name or file.name.startswith('.'):
        raise ValueError(f'{where}: {file.name!r} is no plain file name')
    for url in file.urls:
        if urlsplit(url).scheme not in ('http', 'https'):
            raise ValueError(f'{where}: {url} is no address of the web')
    if file.sha256 and not re.fullmatch('[0-9a-f]{64}', file.sha256):
        raise ValueError(f'{where}: sha256 of {file.name} has not 64 hexadecimal digits')
    if file.sha256_prefix and not re.fullmatch('[0-9a-f]{8,64}', file.sha256_prefix):
        raise ValueError(f'{where}: sha256_prefix of {file.name} has not 8 hexadecimal digits')
    return file


def _build(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    """Call a data class; say which keys are unknown or missing."""
    unknown = sorted(set(values) - {field.name for field in fields(kind)})
    if unknown:
        raise ValueError(f'{where} has unknown keys: {", ".join(unknown)}')
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f'{where} is incomplete: {error}') from error
