"""Read the image lists of semi-supervised splits, in the formats that are published.

A list is read into ids (see `dts.datasets.split_ids`), so the same images give the same
fingerprint whatever the format:

===========  ========================================================  ==================
format       a line or an item                                         found in
===========  ========================================================  ==================
``ids``      ``2007_000032`` or ``JPEGImages/2007_000032.jpg``         mmseg, U2PL, CPS
``pairs``    ``JPEGImages/a.jpg SegmentationClass/a.png``; a leading   UniMatch family,
             slash is dropped                                          PS-MT (with slash)
``json``     a list of ids or of ``[image, mask]``; or an object with  DST-CBC
             such lists under ``labeled`` and ``unlabeled``
``indices``  pickled integers into the whole list; never executed      CutMix-Seg, ClassMix
===========  ========================================================  ==================
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dts.datasets.split_ids import IMAGE_EXTENSIONS, Folders, normalize_id
from dts.datasets.split_pickle import read_index_pickle

_EXTENSION = '(?:' + '|'.join(re.escape(extension) for extension in IMAGE_EXTENSIONS) + ')'
# Two paths, each with an image extension: so a bare id may hold spaces.
_PAIR = re.compile(rf'(\S.*?{_EXTENSION})\s+(\S.*{_EXTENSION})', re.IGNORECASE)
_NO_FOLDERS = Folders()


@dataclass(frozen=True)
class SplitList:
    """One list as read; order and repeats are those of the file.

    Args:
        path: the file.
        format: ``ids``, ``pairs``, ``json`` or ``indices``.
        ids: image ids.
        mask_ids: ids of the masks, item by item; equal to ``ids`` where the list names no masks.
        blank_lines: numbers of the blank lines, counted from 1; they give no id.
    """

    path: Path
    format: str
    ids: tuple[str, ...]
    mask_ids: tuple[str, ...]
    blank_lines: tuple[int, ...] = ()

    @property
    def duplicates(self) -> list[str]:
        """Return the ids that occur more than once, sorted."""
        return sorted(item for item, count in Counter(self.ids).items() if count > 1)


def read_list(
    path: Path,
    folders: Folders = _NO_FOLDERS,
    *,
    key: str = 'labeled',
    whole: Sequence[str] | None = None,
) -> SplitList:
    """Read a list of any supported format; name and content tell which one it is.

    Args:
        path: list file; ``.pkl`` and ``.pickle`` are index arrays, ``.json`` is JSON, any other
            name is text.
        folders: what ids are relative to, see `dts.datasets.split_ids.normalize_id`.
        key: which list to take from a JSON object.
        whole: ids that the indices of a pickle count, from 0, in the order of the whole list.

    Returns:
        The list; blank lines and repeats are reported in it.

    Raises:
        FileNotFoundError: if ``path`` does not exist.
        ValueError: if the content fits no format or mixes two; if a pickle is refused, has an
            index outside ``whole``, or ``whole`` is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such list file')
    if path.suffix in {'.pkl', '.pickle'}:
        ids = _resolve(read_index_pickle(path), path, whole)
        return SplitList(path, 'indices', ids, ids)
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path}: not a text file; give a text list, a .json, or a .pkl with indices'
        ) from error
    if path.suffix == '.json':
        return _as_list(path, 'json', _json_items(text, path, key), folders, ())
    lines = text.splitlines()
    blank_lines = tuple(number for number, line in enumerate(lines, 1) if not line.strip())
    items = _text_items([line.strip() for line in lines], path)
    kind = 'pairs' if items and len(items[0]) == 2 else 'ids'
    return _as_list(path, kind, items, folders, blank_lines)


def write_list(path: Path, ids: Iterable[str]) -> None:
    """Write one id a line, each ended by a newline, as ``ann_file`` of an mmseg data set.

    Args:
        path: file to write; folders above it are made.
        ids: ids in the order in which they are written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(''.join(f'{item}\n' for item in ids).encode())


def _as_list(
    path: Path,
    kind: str,
    items: list[tuple[str, ...]],
    folders: Folders,
    blank_lines: tuple[int, ...],
) -> SplitList:
    """Turn (image,) and (image, mask) items into ids."""
    ids = tuple(normalize_id(item[0], folders.img_dir, folders.img_suffix) for item in items)
    mask_ids = tuple(
        normalize_id(item[1], folders.ann_dir, folders.seg_map_suffix) if len(item) == 2 else image
        for item, image in zip(items, ids, strict=True)
    )
    return SplitList(path, kind, ids, mask_ids, blank_lines)


def _text_items(lines: list[str], path: Path) -> list[tuple[str, ...]]:
    """Return (id,) or (image, mask) of every line that is not blank; refuse a mixture."""
    items: list[tuple[str, ...]] = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        pair = _PAIR.fullmatch(line)
        item = pair.groups() if pair else (line,)
        if items and len(item) != len(items[0]):
            expected = 'an image and a mask' if len(items[0]) == 2 else 'one image id'
            raise ValueError(
                f'{path}: line {number} is {line!r}, but the lines before it hold {expected} each'
            )
        items.append(item)
    return items


def _json_items(text: str, path: Path, key: str) -> list[tuple[str, ...]]:
    """Return (id,) or (image, mask) of every item of a JSON list, or of one list in an object."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f'{path}: not valid JSON ({error})') from error
    if isinstance(content, dict):
        if key not in content:
            raise ValueError(f'{path}: has the keys {sorted(content)}, expected {key!r}')
        content = content[key]
    if not isinstance(content, list):
        raise ValueError(f'{path}: holds a {type(content).__name__}, expected a list of ids')
    items: list[tuple[str, ...]] = []
    for item in content:
        fields = item if isinstance(item, list) else [item]
        is_text = all(isinstance(field, str) and field.strip() for field in fields)
        if len(fields) not in {1, 2} or not is_text:
            raise ValueError(f'{path}: item {item!r} is neither an id nor [image, mask]')
        items.append(tuple(fields))
    return items


def _resolve(indices: list[int], path: Path, whole: Sequence[str] | None) -> tuple[str, ...]:
    """Return the ids that indices stand for."""
    if whole is None:
        raise ValueError(
            f'{path}: holds indices into a list of all images; give the whole list too, '
            'in the order the indices were made for'
        )
    outside = [index for index in indices if not 0 <= index < len(whole)]
    if outside:
        raise ValueError(
            f'{path}: index {outside[0]} is outside the whole list of {len(whole)} images; '
            'these indices belong to another list'
        )
    return tuple(whole[index] for index in indices)
