"""Reading weight files without running anything that they contain."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

SAFETENSORS = '.safetensors'
METADATA_KEY = 'dts'  # of a safetensors file that tools/model_converters/publish.py wrote
_WRAPPERS = ('state_dict', 'model')  # where checkpoints keep their tensors


def read_weights(file: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a file and what it says of itself.

    Args:
        file: a safetensors file, a checkpoint, or a bare state dict of torch.

    Returns:
        Tensors by name, on the CPU, and the ``meta`` of a checkpoint or of a published file; empty
        if it has none.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or holds more than tensors and plain values. Nothing in it is
            run, and no environment variable changes that.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f'no weights at {file}: check the path')
    if file.suffix == SAFETENSORS:
        return _read_safetensors(file)
    try:
        content = torch.load(file, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(
            f'{file} is damaged, or holds more than tensors, and was not read: {reason}'
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(f'{file} holds a {type(content).__name__}, expected tensors by name')
    wrapped = [content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)]
    tensors = wrapped[0] if wrapped else content
    others = [str(name) for name, value in tensors.items() if not isinstance(value, Tensor)]
    if others:
        raise ValueError(f'{file} holds other things than tensors: {", ".join(others[:3])}')
    meta = content.get('meta') if wrapped else None
    return dict(tensors), dict(meta) if isinstance(meta, Mapping) else {}


def _read_safetensors(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the format that holds nothing but numbers."""
    try:
        with safe_open(file, framework='pt') as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            notes = content.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f'{file} is damaged and was not read: {error}') from error
    return tensors, json.loads(notes.get(METADATA_KEY, '{}'))
