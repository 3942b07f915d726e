"""One transfer from one address: resumed where it stopped, and refused when the server lies."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from dts.version import __version__

_CHUNK = 2**16
_CONTENT_RANGE = re.compile(r'bytes (\d+)-\d+/(\d+|\*)')

Progress = Callable[[int, int | None], None]
"""Called with the number of bytes that are there and the number of all, None if not known."""


class TransferError(Exception):
    """Why an address did not give the file. Bytes that came may be kept and gone on from."""


class _WebRedirects(HTTPRedirectHandler):
    """Follows redirects within the web only, and never from https down to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Refuse another kind of address; urllib itself refuses all but http, https and ftp."""
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ('http', 'https') or (old, new) == ('https', 'http'):
            raise TransferError(f'redirects to {newurl}, which is refused')
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def transfer(url: str, part: Path, *, size: int | None, timeout: float, progress: Progress) -> None:
    """Add to a partial file what it lacks.

    Args:
        url: address, http or https; redirects may not leave these.
        part: the partial file; it is gone on from if the server can, else begun anew.
        size: of the whole file in bytes, None if not known.
        timeout: seconds without a byte after which the server counts as stalled.
        progress: told after every chunk.

    Raises:
        TransferError: if the server cannot be reached, answers otherwise than with the file,
            announces another size, stalls, or ends early.
        OSError: if the partial file cannot be written.
    """
    offset = part.stat().st_size if part.is_file() else 0
    with _open(url, offset, timeout) as response:
        offset, total = _plan(response, offset, size)
        with part.open('ab' if offset else 'wb') as file:
            while total is None or offset < total:
                wanted = _CHUNK if total is None else min(_CHUNK, total - offset)
                chunk = _read(response, wanted, timeout)
                if not chunk:
                    break
                file.write(chunk)
                offset += len(chunk)
                progress(offset, total)
    if total is not None and offset < total:
        raise TransferError(f'ended after {offset} of {total} bytes')


def _open(url: str, offset: int, timeout: float) -> HTTPResponse:
    """Ask for a file from a position on."""
    headers = {'User-Agent': f'dts/{__version__}', 'Accept-Encoding': 'identity'}
    if offset:
        headers['Range'] = f'bytes={offset}-'
    try:
        response = _opener().open(Request(url, headers=headers), timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416 and offset:  # nothing from there on: what we have is not its start
            return _open(url, 0, timeout)
        raise TransferError(f'answers {error.code} {error.reason}') from error
    except URLError as error:
        raise TransferError(_explain(error.reason, timeout)) from error
    except (OSError, HTTPException) as error:
        raise TransferError(_explain(error, timeout)) from error
    assert isinstance(response, HTTPResponse)
    return response


def _opener() -> OpenerDirector:
    """Return an opener for the web alone, which honours the proxy variables of the environment."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        _WebRedirects(),
    ):
        opener.add_handler(handler)
    return opener


def _plan(response: HTTPResponse, offset: int, size: int | None) -> tuple[int, int | None]:
    """Return the position that the answer starts at, and the number of bytes of the whole file."""
    if response.status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get('Content-Range', ''))
        if match is None or int(match[1]) != offset:
            raise TransferError(
                f'answers with {response.headers.get("Content-Range")}, asked for bytes {offset}-'
            )
        announced = None if match[2] == '*' else int(match[2])
    elif response.status == 200:  # the whole file, whatever was asked for
        offset = 0
        length = response.headers.get('Content-Length', '')
        announced = int(length) if length.isdecimal() else None
    else:
        raise TransferError(f'answers {response.status} {response.reason}')
    if None not in (size, announced) and size != announced:
        raise TransferError(f'announces {announced} bytes, expected {size}')
    return offset, size if announced is None else announced


def _read(response: HTTPResponse, wanted: int, timeout: float) -> bytes:
    """Return the bytes that are there, at most so many; empty at the end."""
    try:
        return response.read1(wanted)
    except (OSError, HTTPException) as error:
        raise TransferError(_explain(error, timeout)) from error


def _explain(error: object, timeout: float) -> str:
    """Say what went wrong with a connection."""
    if isinstance(error, TimeoutError):
        return f'sent nothing for {timeout:g} s'
    return f'cannot be read: {error or type(error).__name__}'
