"""Conversion of a checkpoint into plain values, which ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor

_HISTORY_KEYS = {'log_history', 'count_history', 'max_length'}
_PLAIN_TYPES = (bool, int, float, str, bytes)


def to_plain(value: Any, where: str = 'checkpoint') -> Any:
    """Return a value made of tensors, numbers, strings, lists, tuples and dictionaries only.

    NumPy scalars become Python numbers, NumPy arrays lists, history buffers tensors. Tensors move
    to the CPU; a state dict keeps its version data.

    Args:
        value: anything that a checkpoint holds.
        where: name of the value in the error.

    Returns:
        The plain value; ``value`` itself is not changed.

    Raises:
        TypeError: if a part has no plain form; names it.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, HistoryBuffer):
        return _plain_history(value)
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist(), where)
    if isinstance(value, Mapping):
        return _plain_mapping(value, where)
    if isinstance(value, list | tuple):
        items = [to_plain(item, f'{where}[{index}]') for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or type(value) in _PLAIN_TYPES:
        return value
    raise TypeError(
        f'{where} holds a {type(value).__module__}.{type(value).__qualname__}, which a checkpoint '
        'cannot hold: files would run code when they are read. Store tensors, numbers or strings'
    )


def drop_opaque(values: dict[str, Any]) -> None:
    """Remove values that have no plain form, with a warning; for notes that decide nothing.

    Args:
        values: notes by name, such as the runtime information of a message hub. Changed in place.
    """
    for name in [name for name, value in values.items() if not _has_plain_form(value, name)]:
        del values[name]


def history_from_plain(log_scalars: Mapping[str, Any]) -> dict[str, Any]:
    """Rebuild the history buffers of a message hub.

    Args:
        log_scalars: values that ``to_plain`` made, or history buffers of a file of MMEngine.

    Returns:
        History buffers by name.
    """
    return {name: _history(value) for name, value in log_scalars.items()}


def _has_plain_form(value: Any, name: str) -> bool:
    """Return whether ``to_plain`` takes a value; log why not."""
    try:
        to_plain(value, name)
    except TypeError as error:
        print_log(f'Left out: {error}', logger='current', level=logging.WARNING)
        return False
    return True


def _plain_mapping(value: Mapping[Any, Any], where: str) -> dict[Any, Any]:
    """Convert keys and values; an ``OrderedDict`` stays one, with its ``_metadata``."""
    items = {to_plain(key, where): to_plain(item, f'{where}.{key}') for key, item in value.items()}
    if not isinstance(value, OrderedDict):
        return items
    ordered = OrderedDict(items)
    metadata = getattr(value, '_metadata', None)
    if metadata is not None:
        # Versions of the layers: ``load_state_dict`` converts old layouts by them.
        ordered._metadata = to_plain(metadata, f'{where}._metadata')  # type: ignore[attr-defined]
    return ordered


def _plain_history(buffer: HistoryBuffer) -> dict[str, Any]:
    """Keep the two arrays as tensors: lists of a long run would be slow to pickle."""
    log_history, count_history = buffer.data
    return {
        'log_history': torch.from_numpy(log_history.copy()),
        'count_history': torch.from_numpy(count_history.copy()),
        'max_length': buffer.max_length,
    }


def _history(value: Any) -> Any:
    """Undo ``_plain_history``."""
    if not isinstance(value, Mapping) or set(value) != _HISTORY_KEYS:
        return value
    return HistoryBuffer(
        value['log_history'].cpu().numpy(),
        value['count_history'].cpu().numpy(),
        value['max_length'],
    )
