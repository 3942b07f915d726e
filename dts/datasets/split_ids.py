"""Ids of images: the path relative to the image folder, without extension."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

IMAGE_EXTENSIONS = ('.bmp', '.gif', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')

# Image and mask folders of published lists: what stands up to them is no part of an id.
_KNOWN_FOLDER = re.compile(
    r'^(?:.*/)?(?:JPEGImages|SegmentationClass\w*|(?:train|val)2017'
    r'|(?:leftImg8bit|gtFine|img_dir|ann_dir|images|annotations?|city_gt_fine)'
    r'/(?:train(?:ing|_extra)?|val(?:idation)?|test))/'
)


@dataclass(frozen=True)
class Folders:
    """Where images and masks lie, as in an mmseg data set.

    Args:
        img_dir: image folder, or None if it is not at hand.
        ann_dir: mask folder, or None if it is not at hand.
        img_suffix: end of every image name, e.g. ``_leftImg8bit.png``; None: any image extension.
        seg_map_suffix: end of every mask name; None: any image extension.
    """

    img_dir: Path | None = None
    ann_dir: Path | None = None
    img_suffix: str | None = None
    seg_map_suffix: str | None = None


def normalize_id(entry: str, folder: Path | None = None, suffix: str | None = None) -> str:
    """Return the id that a list entry stands for.

    Backslashes become slashes; leading ``/`` and ``./`` go; the suffix (or one image extension)
    goes; leading folders that repeat the end of ``folder`` go, and failing those everything up to
    a well-known image or mask folder such as ``JPEGImages/`` or ``leftImg8bit/train/``.

    Args:
        entry: text of the entry, with or without folders and extension.
        folder: folder that ids are relative to.
        suffix: end of the file names; None: any of ``IMAGE_EXTENSIONS``.

    Returns:
        The id, with ``/`` between folders.

    Example:
        >>> normalize_id('/JPEGImages/2007_000032.jpg')
        '2007_000032'
    """
    text = re.sub(r'^(?:\./|/)+', '', entry.strip().replace('\\', '/'))
    text = _without_suffix(text, suffix)
    parts = folder.absolute().parts[1:] if folder is not None else ()
    for start in range(len(parts)):
        prefix = '/'.join(parts[start:]) + '/'
        if text.startswith(prefix):
            return text.removeprefix(prefix)
    return _KNOWN_FOLDER.sub('', text)


def list_folder(folder: Path, suffix: str | None = None) -> dict[str, Path]:
    """Return the images below a folder by id, sorted.

    Args:
        folder: image or mask folder, searched with its subfolders.
        suffix: end of the names to take; None: any of ``IMAGE_EXTENSIONS``.

    Returns:
        Id -> file; empty if there is no image.

    Raises:
        FileNotFoundError: if ``folder`` is no folder.
        ValueError: if two files give the same id.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder')
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob('*')):
        is_wanted = (
            file.name.endswith(suffix) if suffix else file.suffix.lower() in IMAGE_EXTENSIONS
        )
        if not is_wanted:
            continue
        name = _without_suffix(file.relative_to(folder).as_posix(), suffix)
        if name in found:
            raise ValueError(
                f'{folder}: {found[name].name} and {file.name} have the same id {name!r}; '
                'give the suffix of the files that are meant'
            )
        found[name] = file
    return dict(sorted(found.items()))


def fingerprint(ids: Iterable[str]) -> str:
    """Return the SHA-256 of the sorted ids, one a line: that of ``LC_ALL=C sort LIST``.

    Args:
        ids: normalised ids, in any order.

    Example:
        >>> fingerprint(['b', 'a']) == fingerprint(['a', 'b'])
        True
    """
    lines = sorted(f'{item}\n'.encode() for item in ids)
    return hashlib.sha256(b''.join(lines)).hexdigest()


def _without_suffix(text: str, suffix: str | None) -> str:
    """Drop the given suffix, or one image extension of any case."""
    if suffix:
        return text.removesuffix(suffix)
    extension = next((end for end in IMAGE_EXTENSIONS if text.lower().endswith(end)), '')
    return text[: len(text) - len(extension)]
