"""Indexes of files that tests make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import dts.zoo.index
from dts.zoo.check import sha256_of


def entry(name: str, file: Path, *urls: str, **changes: Any) -> dict[str, Any]:
    """The entry of a file on disk, as it stands in an index."""
    facts = dict(
        name=file.name,
        urls=list(urls),
        size=file.stat().st_size,
        sha256=sha256_of(file),
        sha256_prefix=None,
    )
    entry = dict(
        name=name, kind='backbone', summary='a toy', license='MIT', source='here', files=[facts]
    )
    return {**entry, **changes}


def use_index(monkeypatch: Any, folder: Path, *entries: dict[str, Any]) -> None:
    """Let the package read an index of these entries, and keep files in ``folder/zoo``."""
    index = folder / 'index.yml'
    index.write_text(yaml.safe_dump(dict(entries=list(entries))))
    monkeypatch.setattr(dts.zoo.index, 'INDEX_FILE', index)
    monkeypatch.setenv('DTS_ZOO', str(folder / 'zoo'))
