"""The file behind an address of weights, wherever it lies."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from dts.zoo.download import download
from dts.zoo.index import ZooFile
from dts.zoo.schemes import SCHEME
from dts.zoo.store import path, zoo_folder

_ADDRESS = re.compile(r'[A-Za-z][\w+.-]*://')


def local_file(address: str | Path) -> Path:
    """Return the file that an address means, downloaded if need be.

    Args:
        address: a file, ``http(s)://...``, or ``dts-zoo://`` and the name of an entry. A file of
            the web is kept in ``dts.zoo.store.zoo_folder()``, in a folder of its address: many
            files are called ``iter_80000.pth``.

    Returns:
        The file; that of a plain path need not be there.

    Raises:
        ValueError: if the address is of another kind, or there is no such entry.
        FileNotFoundError: if the file cannot be downloaded.
    """
    address = str(address)
    if address.startswith(SCHEME):
        return path(address.removeprefix(SCHEME))
    if address.startswith(('http://', 'https://')):
        return _from_web(address)
    if _ADDRESS.match(address):
        raise ValueError(
            f'{address} is no address that weights can be traced to: name a file, http(s)://... or '
            f'{SCHEME}NAME (python tools/zoo.py list)'
        )
    return Path(address).expanduser()


def _from_web(url: str) -> Path:
    """Return the copy of a file of the web, made once."""
    name = Path(urlsplit(url).path).name
    if not name:
        raise ValueError(f'{url} names no file')
    folder = zoo_folder() / hashlib.sha256(url.encode()).hexdigest()[:16]
    target = folder / name
    if not target.is_file():
        file = ZooFile(name, (url,), size=None, sha256=None, sha256_prefix=None)
        download(file, target, progress=lambda done, total: None)
    return target
