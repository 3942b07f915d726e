"""Reading of image files as bytes, refusing those that end too early."""

from __future__ import annotations

import os.path as osp
from typing import Any

from mmengine.fileio import get as read_bytes

JPEG_START = b'\xff\xd8'
JPEG_SCAN = b'\xda'
JPEG_END = b'\xff\xd9'
PNG_START = b'\x89PNG\r\n\x1a\n'
PNG_END = b'IEND\xaeB`\x82'  # the last chunk of every PNG: its name and its constant checksum


def read_complete(path: str, backend_args: dict[str, Any] | None, kind: str) -> bytes:
    """Read a file and check that it is all there, as far as its format tells.

    Args:
        path: image or mask file.
        backend_args: file backend of MMEngine; None reads local files.
        kind: what the file is, for messages: 'Image' or 'Mask'.

    Returns:
        The bytes of the file.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is empty, or a JPEG or PNG without its end mark.
    """
    if backend_args is None and not osp.isfile(path):
        raise FileNotFoundError(
            f'{kind} {path} does not exist. Check `data_root` and `data_prefix`, or take it out '
            'of the list.'
        )
    content = bytes(read_bytes(path, backend_args=backend_args))
    if not content:
        raise ValueError(f'{kind} {path} is empty (0 bytes). Fetch or export it again.')
    if _is_truncated(content):
        raise ValueError(
            f'{kind} {path} is truncated: it ends after {len(content)} bytes without the end mark '
            'of its format. Fetch or export it again.'
        )
    return content


def _is_truncated(content: bytes) -> bool:
    """Tell whether a JPEG or PNG lacks its end mark; decoders fill the rest with grey."""
    if content.startswith(PNG_START):
        return content.rfind(PNG_END) < 0
    if not content.startswith(JPEG_START):
        return False
    # Header segments are skipped by their length: an embedded thumbnail has an end mark of its own.
    position = len(JPEG_START)
    while content[position : position + 1] == b'\xff':
        if content[position + 1 : position + 2] == JPEG_SCAN:
            break
        if content[position + 1 : position + 2] == b'\xff':  # a fill byte
            position += 1
            continue
        position += 2 + int.from_bytes(content[position + 2 : position + 4], 'big')
    # In the pixel data the byte 0xFF is always followed by 0x00 or a restart mark.
    return content.find(JPEG_END, position) < 0
