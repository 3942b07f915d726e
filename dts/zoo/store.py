"""Where the files of the zoo lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from mmengine.logging import print_log

from dts.models.efficientnet_lite_weights import find_weights
from dts.zoo.check import find_damage
from dts.zoo.download import by_hand, download
from dts.zoo.index import Entry, ZooFile, find_entry
from dts.zoo.transfer import Progress

FOLDER_VARIABLE = 'DTS_ZOO'
SHIPPED = Path(__file__).with_name('weights')  # small files that come with the package


def zoo_folder() -> Path:
    """Return the folder that files are looked for in and downloaded to.

    It is the value of ``DTS_ZOO``, else the folder of ``torch.hub``: OpenMMLab's configs look there
    before they download, so that a file of the zoo serves them too.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder).expanduser() if folder else Path(torch.hub.get_dir(), 'checkpoints')


def locate(entry: Entry, file: ZooFile) -> Path:
    """Return where a file is, or where it would be put.

    Args:
        entry: an entry of the index.
        file: one of its files.

    Raises:
        FileNotFoundError: if it belongs to a package that is not installed.
    """
    target = zoo_folder() / file.name
    if target.is_file():
        return target
    if entry.package is not None:
        return find_weights(entry.name.removeprefix('efficientnet_'))
    shipped = SHIPPED / file.name
    return shipped if shipped.is_file() else target


def path(name: str, progress: Progress | None = None) -> Path:
    """Return the weights of an entry, downloaded if need be, and checked at every call.

    Args:
        name: an entry of the index.
        progress: told of a download after every chunk.

    Returns:
        The file. Its size and SHA-256 are right as far as the index knows them.

    Raises:
        ValueError: if there is no such entry, or the file that is there is damaged.
        FileNotFoundError: if a file is not there and cannot be downloaded; says why and what to do.
    """
    entry = find_entry(name)
    files = [_fetch(entry, file, progress or (lambda done, total: None)) for file in entry.files]
    return files[0]


def _fetch(entry: Entry, file: ZooFile, progress: Progress) -> Path:
    """Return one checked file."""
    place = locate(entry, file)
    if not place.is_file():
        if entry.manual is not None:
            raise FileNotFoundError(_manual(entry, file, place))
        if not file.urls:
            raise FileNotFoundError(
                f'{file.name} of {entry.name} comes with the package and is not there: install '
                f'dts again. {by_hand(file, place)}'
            )
        print_log(f'Downloading {file.name} to {place.parent}', logger='current')
        download(file, place, progress=progress)
        return place
    damage = find_damage(place, file)
    if damage:
        raise ValueError(
            f'{place} is damaged or another file: {damage}. Remove it, then python tools/zoo.py '
            f'download {entry.name} fetches it anew'
        )
    return place


def _manual(entry: Entry, file: ZooFile, place: Path) -> str:
    """Say how to make a file out of a published one."""
    assert entry.manual is not None
    command = entry.manual.command.format(file=place)
    return (
        f'{file.name} of {entry.name} is not at {place}: it cannot be downloaded by a program. '
        f'Get {entry.manual.published} from {entry.manual.page}, then run: {command}'
    )
