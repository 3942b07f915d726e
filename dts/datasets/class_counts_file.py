"""The file that keeps what ``dts.datasets.class_counts`` counted."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from dts.checkpoints.atomic import write_atomically
from dts.datasets.raw_ids import RAW_IDS

VERSION = 1
COMMAND = 'python tools/dataset_converters/count_classes.py CONFIG'

Known = dict[str, list[int]]
"""Path of a label file below the data root -> its size in bytes, then the counts."""


def label_facts(dataset: BaseSegDataset, raw_ids: str | None) -> dict[str, Any]:
    """Return what decides the classes of a label file, in the form of JSON.

    Args:
        dataset: the data set.
        raw_ids: name of the ids in its files, see ``dts.datasets.raw_ids``; None for train ids.
    """
    label_map: Mapping[int, int] = dataset.label_map or {}
    raw_map = RAW_IDS[raw_ids].classes if raw_ids else {}
    return {
        'version': VERSION,
        'classes': list(dataset.metainfo['classes']),
        'raw_ids': [list(map(int, pair)) for pair in sorted(raw_map.items())],
        'label_map': [list(map(int, pair)) for pair in sorted(label_map.items())],
        'reduce_zero_label': bool(dataset.reduce_zero_label),
    }


def default_path(root: Path, facts: Mapping[str, Any]) -> Path:
    """Return where counts are kept if nobody says otherwise.

    Args:
        root: data root.
        facts: see ``label_facts``; other classes or another label map give another file.
    """
    digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=4).hexdigest()
    return root / f'class_counts_{digest}.json'


def read_counts(path: Path, facts: Mapping[str, Any]) -> Known:
    """Read what was counted before.

    Args:
        path: the file.
        facts: what it must have been counted for.

    Returns:
        The counts; empty if there is no file.

    Raises:
        ValueError: if it is damaged, or was counted for something else.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text())
        files: Known = content['files']
        is_right = {key: content[key] for key in facts} == facts
        length = 1 + len(facts['classes'])
        broken = [name for name, entry in files.items() if len(entry) != length]
        if is_right and broken:
            raise ValueError(f'{broken[0]} has {len(files[broken[0]]) - 1} counts')
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{path} is no file of class counts ({type(error).__name__}: {error}). Delete it and '
            f'start again, or `{COMMAND}`.'
        ) from error
    if not is_right:
        raise ValueError(
            f'{path} was counted for other classes or another label map than the data set has. '
            f'Delete it and start again, or `{COMMAND}`.'
        )
    return files


def write_counts(path: Path, facts: Mapping[str, Any], known: Known) -> None:
    """Keep what was counted, one label file a line; warn if that is not possible.

    Args:
        path: the file, replaced in one step.
        facts: what was counted for.
        known: the counts.
    """
    head = json.dumps(facts)[:-1]
    lines = ',\n'.join(f'{json.dumps(name)}: {json.dumps(known[name])}' for name in sorted(known))
    try:
        write_atomically(path, f'{head}, "files": {{\n{lines}\n}}}}\n'.encode())
    except OSError as error:
        print_log(
            f'the class counts could not be kept in {path} ({error.strerror}), the next start '
            'counts again: set `file` of `rare_class` to a place that can be written',
            'current',
            level=logging.WARNING,
        )
