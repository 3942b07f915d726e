"""In which settings runs differ."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.runner import Runner

# Other names in a config are helpers whose values stand in these once more.
RUNNER_KEYS = (*list(inspect.signature(Runner.__init__).parameters)[1:], 'final_test')
IGNORED_KEYS = ('work_dir', 'cfg', 'experiment_name')
NOT_SET = 'not set'


class Difference(NamedTuple):
    """One setting that differs.

    Attributes:
        path: dotted path in the config.
        values: what each run has, as text.
    """

    path: str
    values: list[str]


class _Missing:
    """Stands for an entry that a config does not have."""


def config_differences(configs: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Compare configs entry by entry.

    Entries that only some configs have, and lists of different lengths, are compared as a whole.

    Args:
        configs: at least one.

    Returns:
        The differences in the order of the Runner's arguments; empty for a single config.
    """
    keys = [key for key in RUNNER_KEYS if key not in IGNORED_KEYS]
    roots = [{key: config[key] for key in keys if key in config} for config in configs]
    return _compare('', roots)


def _compare(path: str, nodes: list[Any]) -> list[Difference]:
    """Compare one node of all configs."""
    if all(isinstance(node, Mapping) for node in nodes):
        keys = list(dict.fromkeys(key for node in nodes for key in node))
        steps = [(f'{path}.{key}'.lstrip('.'), key) for key in keys]
        return [
            found
            for name, key in steps
            for found in _compare(name, [node.get(key, _Missing) for node in nodes])
        ]
    is_list = all(isinstance(node, list | tuple) for node in nodes)
    if is_list and len({len(node) for node in nodes}) == 1 and not _is_short(nodes):
        return [
            found
            for index, items in enumerate(zip(*nodes, strict=True))
            for found in _compare(f'{path}.{index}', list(items))
        ]
    values = [_text(node) for node in nodes]
    return [Difference(path, values)] if len(set(values)) > 1 else []


def _is_short(nodes: Sequence[Sequence[Any]]) -> bool:
    """Return whether lists hold plain values only, which read better in one piece."""
    return not any(isinstance(item, list | tuple | Mapping) for node in nodes for item in node)


def _text(node: Any) -> str:
    """Write a node of a config."""
    if node is _Missing:
        return NOT_SET
    return node if isinstance(node, str) else json.dumps(node, default=str)
