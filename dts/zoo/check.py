"""Comparison of a file on disk with what the index says of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dts.zoo.index import ZooFile

_BLOCK = 2**20


def find_damage(path: Path, file: ZooFile) -> str:
    """Return what is wrong with a file.

    Args:
        path: a file on disk.
        file: what the index says of it.

    Returns:
        Found and expected value; empty if the size and the SHA-256 are right as far as the index
        knows them.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f'it has {size} bytes, expected {file.size}'
    expected = file.sha256 or file.sha256_prefix
    if expected is None:
        return ''
    digest = sha256_of(path)
    if not digest.startswith(expected):
        return f'its SHA-256 is {digest[: len(expected)]}, expected {expected} ({size} bytes)'
    return ''


def sha256_of(path: Path) -> str:
    """Return the 64 hexadecimal digits of the SHA-256 of a file.

    Args:
        path: a file on disk.
    """
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
