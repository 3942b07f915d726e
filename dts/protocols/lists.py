"""Hold a list of labelled images against the protocol that it is taken for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from dts.datasets.split_check import (
    check_complete,
    check_disjoint,
    check_lines,
    check_name,
    check_size,
    load_known_lists,
    note_unverified,
    shorten,
)
from dts.datasets.split_ids import Folders, list_folder
from dts.datasets.split_lists import SplitList, read_list
from dts.protocols.presets import FAMILIES, Protocol

# Beside the package in a checkout; an installed package has no table, and knows no fingerprint.
KNOWN_LISTS = Path(__file__).resolve().parents[2] / 'data' / 'known_splits.json'


def check_labeled(protocol: Protocol, split: SplitList, data_root: Path) -> list[str]:
    """Return what tells a list apart from the one of a protocol.

    Checked are form and size, the fingerprint where it is known, and, as far as the files lie in
    ``data_root``, that all ids are of the training set and how many have a fine mask.

    Args:
        protocol: what the list is taken for.
        split: labelled list as read, with ids relative to the image folder.
        data_root: of the data set.

    Returns:
        One message per fault; empty if there is none.
    """
    faults = check_lines(split) + check_size(split.ids, protocol.num_labeled)
    faults += check_name(split.ids, protocol.list_name, _read_known())
    source = protocol.source
    for name, check in ((source.whole_list, check_members), (source.fine_list, check_fine)):
        if name and (data_root / name).is_file():
            faults += check(protocol, split.ids, frozenset(read_list(data_root / name).ids))
    return faults


def check_unlabeled(
    protocol: Protocol, labeled: SplitList, unlabeled: SplitList, data_root: Path
) -> list[str]:
    """Return what tells the unlabelled list apart from the rest of the training set.

    Args:
        protocol: what the lists are taken for.
        labeled: labelled list as read.
        unlabeled: the other one.
        data_root: of the data set; without its list of the whole training set only the form of the
            list is checked, and that no image is in both.

    Returns:
        One message per fault; empty if there is none.
    """
    faults = check_lines(unlabeled) + check_disjoint(labeled.ids, unlabeled.ids)
    whole = protocol.source.whole_list
    if whole and (data_root / whole).is_file():
        parts = (*labeled.ids, *unlabeled.ids)
        faults += check_complete(parts, read_list(data_root / whole).ids)
    return faults


def note_labeled(protocol: Protocol) -> list[str]:
    """Return what ``check_labeled`` could not check: the ids, where no fingerprint is known.

    Args:
        protocol: what a list is taken for.

    Returns:
        At most one message.
    """
    return note_unverified(protocol.list_name, _read_known())


def check_members(protocol: Protocol, ids: Sequence[str], whole: Collection[str]) -> list[str]:
    """Return messages if ids are not of the training set, or that is not whole.

    Args:
        protocol: what the list is taken for.
        ids: labelled ids.
        whole: ids of the training set.
    """
    expected = protocol.source.num_images
    faults = []
    if len(whole) != expected:
        faults.append(f'the training set has {len(whole)} images, expected {expected}')
    if foreign := sorted(set(ids).difference(whole)):
        faults.append(f'ids that the training set does not have: {shorten(foreign)}')
    return faults


def check_fine(protocol: Protocol, ids: Sequence[str], fine: Collection[str]) -> list[str]:
    """Return a message if the number of images with a fine mask is not that of the family.

    Lists of one size but of different families differ in it, so this tells a priority list from a
    blended one. Where the number of a family is not known, that of another family is refused.

    Args:
        protocol: what the list is taken for; of a data set with finer masks.
        ids: labelled ids.
        fine: ids of all images with a fine mask.
    """
    found = len(set(ids).intersection(fine))
    size, family = protocol.num_labeled, protocol.family
    expected = family.num_fine.get(size)
    alike = [
        other.name
        for other in FAMILIES
        if other.dataset == family.dataset and other.num_fine.get(size) == found and other != family
    ]
    if found == expected or (expected is None and not alike):
        return []
    hint = f', as a {alike[0]} list has' if alike else ''
    wanted = f'a {family.name} list has {expected}' if expected is not None else 'it is not one'
    return [
        f'{found} of its {len(set(ids))} images are of the {protocol.source.fine_list}{hint}; '
        f'of {size}, {wanted}'
    ]


def read_labeled(protocol: Protocol, path: Path, data_root: Path) -> SplitList:
    """Read a labelled list in any published format.

    Args:
        protocol: names the image folder and the suffix.
        path: the list.
        data_root: of the data set.

    Returns:
        The list, with ids relative to the image folder.

    Raises:
        FileNotFoundError, ValueError: as ``read_list``.
    """
    source = protocol.source
    folders = Folders(img_dir=data_root / source.image_dir, img_suffix=source.image_suffix)
    return read_list(path, folders)


def read_whole(protocol: Protocol, data_root: Path) -> tuple[str, ...]:
    """Return the ids of the whole training set, sorted.

    Args:
        protocol: names the list or the image folder.
        data_root: of the data set.

    Raises:
        FileNotFoundError: if there is no such list or folder.
    """
    source = protocol.source
    if source.whole_list:
        return tuple(sorted(read_list(data_root / source.whole_list).ids))
    return tuple(list_folder(data_root / source.image_dir, source.image_suffix))


def _read_known() -> dict[str, str]:
    """Return fingerprint -> name of the known lists; empty without the table."""
    return load_known_lists(KNOWN_LISTS) if KNOWN_LISTS.is_file() else {}
