"""Read a pickled index array without running the code that a pickle may carry."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

# All that pickled integers need. numpy 2 renamed `core` to `_core`; files of both exist.
_ADMITTED = frozenset({('numpy', 'ndarray'), ('numpy', 'dtype')}) | frozenset(
    (f'numpy.{core}.{module}', name)
    for core in ('core', '_core')
    for module, name in (
        ('multiarray', '_reconstruct'),
        ('multiarray', 'scalar'),
        ('numeric', '_frombuffer'),
    )
)
_CORE = 'numpy._core' if hasattr(np, '_core') else 'numpy.core'

# What a damaged byte stream can raise inside the unpickler.
_DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)


class _RefusedError(Exception):
    """The pickle names an object that no integer array needs."""


def _encode_latin1(text: str, encoding: str) -> bytes:
    """Stand in for ``_codecs.encode``, by which protocol 2 writes the bytes of an array."""
    if encoding != 'latin1':
        raise _RefusedError(f'_codecs.encode({encoding!r})')
    return text.encode('latin1')


class _IndexUnpickler(pickle.Unpickler):
    """Unpickler that resolves the globals of numpy arrays and no other."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an admitted global; refuse every other before anything is imported."""
        if (module, name) == ('_codecs', 'encode'):
            return _encode_latin1
        if (module, name) not in _ADMITTED:
            raise _RefusedError(f'{module}.{name}')
        return super().find_class(re.sub(r'^numpy\._?core\b', _CORE, module), name)


def read_index_pickle(path: Path) -> list[int]:
    """Return the indices stored in a pickle, as CutMix-Seg and ClassMix release them.

    Only numpy arrays and plain lists can be rebuilt: a pickle that names any other object is
    refused before that object is imported or called.

    Args:
        path: pickle of a one-dimensional integer array or of a list of integers.

    Returns:
        The indices in file order; range and repeats are not checked here.

    Raises:
        ValueError: if the pickle names any other object, is damaged, or holds something else.
    """
    try:
        content = _IndexUnpickler(io.BytesIO(path.read_bytes()), encoding='latin1').load()
    except _RefusedError as error:
        raise ValueError(
            f'{path}: this pickle asks for {error}; refused and not executed, since an index list '
            'needs numpy arrays only. Ask its author for a text list'
        ) from error
    except _DAMAGE as error:
        raise ValueError(f'{path}: damaged pickle ({error}); fetch the file again') from error
    if isinstance(content, np.ndarray) and content.ndim == 1 and content.dtype.kind in 'iu':
        return [int(item) for item in content]
    if isinstance(content, list) and all(
        isinstance(item, int | np.integer) and not isinstance(item, bool) for item in content
    ):
        return [int(item) for item in content]
    found = type(content).__name__
    if isinstance(content, np.ndarray):
        found = f'array of shape {content.shape} and type {content.dtype}'
    raise ValueError(
        f'{path}: holds a {found}, expected a list or a one-dimensional array of integers'
    )
