"""Check labeled and unlabeled lists against each other, the whole list and the files."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from dts.datasets.split_ids import fingerprint
from dts.datasets.split_lists import SplitList

_NUM_SHOWN = 3


def check_lines(split: SplitList) -> list[str]:
    """Return what is wrong with a list by itself: empty, blank lines, repeats.

    Args:
        split: list as read.

    Returns:
        One message per fault; empty if there is none.
    """
    faults = []
    if not split.ids:
        faults.append('the list is empty')
    if split.blank_lines:
        faults.append(f'blank lines: {shorten(map(str, split.blank_lines))}')
    if split.duplicates:
        faults.append(f'ids that occur more than once: {shorten(split.duplicates)}')
    return faults


def check_disjoint(labeled: Iterable[str], unlabeled: Iterable[str]) -> list[str]:
    """Return a message if an id is in both lists.

    Args:
        labeled: ids of the labelled images.
        unlabeled: ids of the unlabelled images.
    """
    both = sorted(set(labeled) & set(unlabeled))
    return [f'ids both labeled and unlabeled: {shorten(both)}'] if both else []


def check_complete(parts: Iterable[str], whole: Iterable[str]) -> list[str]:
    """Return messages if labeled and unlabeled ids together are not the whole list.

    Args:
        parts: labeled and unlabeled ids.
        whole: ids of the whole list.

    Returns:
        One message for ids left out, one for ids that the whole list does not have.
    """
    part_set, whole_set = set(parts), set(whole)
    faults = []
    if left_out := sorted(whole_set - part_set):
        faults.append(f'ids of the whole list in neither list: {shorten(left_out)}')
    if foreign := sorted(part_set - whole_set):
        faults.append(f'ids that the whole list does not have: {shorten(foreign)}')
    return faults


def check_files(ids: Iterable[str], found: Collection[str], folder: Path) -> list[str]:
    """Return a message if ids have no file.

    Args:
        ids: ids of images or of masks.
        found: ids of the files there, see `dts.datasets.split_ids.list_folder`.
        folder: where they were looked for.
    """
    absent = sorted(set(ids).difference(found))
    return [f'no file in {folder} for: {shorten(absent)}'] if absent else []


def check_size(ids: Sequence[str], expected: int) -> list[str]:
    """Return a message if a list has not the expected length.

    Args:
        ids: ids of the labelled images.
        expected: how many there should be.
    """
    return [] if len(ids) == expected else [f'{len(ids)} labeled ids, expected {expected}']


def check_nested(lists: Mapping[str, Collection[str]]) -> list[str]:
    """Return a message for every list that does not hold the next smaller one.

    Args:
        lists: name -> labeled ids, of one draw.

    Returns:
        One message per pair of neighbors in size that is not nested.
    """
    by_size = sorted(lists.items(), key=lambda pair: len(pair[1]))
    faults = []
    for (small, small_ids), (large, large_ids) in pairwise(by_size):
        lost = set(small_ids).difference(large_ids)
        if lost:
            faults.append(
                f'{large} does not hold {len(lost)} of the {len(small_ids)} ids of {small}'
            )
    return faults


def load_known_lists(path: Path) -> dict[str, str]:
    """Return the table of known lists.

    Args:
        path: JSON file, ``{"lists": [{"name": ..., "size": ..., "sha256": ...}, ...]}``;
            other keys, such as the ``source`` of a published list, are for readers.

    Returns:
        Fingerprint -> name.

    Raises:
        ValueError: if a fingerprint occurs twice.
    """
    known: dict[str, str] = {}
    for entry in json.loads(path.read_text(encoding='utf-8'))['lists']:
        if entry['sha256'] in known:
            raise ValueError(f'{path}: {known[entry["sha256"]]} and {entry["name"]} are one list')
        known[entry['sha256']] = entry['name']
    return known


def check_name(ids: Iterable[str], expected: str, known: Mapping[str, str]) -> list[str]:
    """Return a message if a list is not the known list it is taken for.

    Nothing can be said of ids that are no known list where the fingerprint of ``expected`` is not
    known either, see ``note_unverified``.

    Args:
        ids: labeled ids.
        expected: name of the list.
        known: fingerprint -> name.
    """
    found = known.get(fingerprint(ids))
    if found == expected or (found is None and expected not in known.values()):
        return []
    return [f'its ids are not those of {expected} but {f"of {found}" if found else "unknown"}']


def note_unverified(expected: str, known: Mapping[str, str]) -> list[str]:
    """Return a message if ``check_name`` has nothing to hold a list against.

    Args:
        expected: name of the list.
        known: fingerprint -> name.
    """
    is_known = expected in known.values()
    return [] if is_known else [f'not verified: no fingerprint of {expected} is known']


def shorten(items: Iterable[str]) -> str:
    """Return the first items and the number of the others.

    Args:
        items: texts to list.
    """
    texts = list(items)
    rest = f' and {len(texts) - _NUM_SHOWN} more' if len(texts) > _NUM_SHOWN else ''
    return ', '.join(texts[:_NUM_SHOWN]) + rest
