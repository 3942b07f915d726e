"""Weights by name: ``python tools/zoo.py list | download NAME ... | verify [NAME ...]``.

Files lie in the folder that DTS_ZOO names, else in that of torch.hub, where the configs of
MMSegmentation look before they download.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

import dts  # noqa: F401 - before anything imports mmseg
from dts.launch import user_errors
from dts.zoo.check import find_damage
from dts.zoo.index import Entry, ZooFile, find_entry, read_index
from dts.zoo.store import locate, path, zoo_folder
from dts.zoo.transfer import Progress as Report


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Weights by name.')
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('list', help='show what there is')
    download = commands.add_parser('download', help='fetch files and check them')
    download.add_argument('names', nargs='+', metavar='NAME')
    verify = commands.add_parser('verify', help='check files that are here against the index')
    verify.add_argument('names', nargs='*', metavar='NAME', help='default: all that are here')
    return parser.parse_args(argv)


def list_entries() -> None:
    """Print a line per entry: name, kind, whether it is here, license, what it is."""
    entries = read_index().values()
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        here = all(find_file(entry, file) for file in entry.files)
        state = 'here' if here else 'by hand' if entry.manual else '-'
        print(
            f'{entry.name:<{width}}  {entry.kind:<8}  {state:<7}  {entry.summary} [{entry.license}]'
        )
    print(f'files: {zoo_folder()}')


def find_file(entry: Entry, file: ZooFile) -> Path | None:
    """Return a file of the zoo if it is on this machine."""
    try:
        place = locate(entry, file)
    except FileNotFoundError:  # its package is not installed
        return None
    return place if place.is_file() else None


def download_entries(names: Sequence[str]) -> None:
    """Fetch entries one after the other, and print where they are."""
    for name in names:
        find_entry(name)  # a wrong name is told before the first download
    for name in names:
        with bar(name) as report:
            place = path(name, report)
        print(place)


@contextmanager
def bar(name: str) -> Iterator[Report]:
    """Show bytes, speed and time left of one download while it runs."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task(name, total=None, visible=False)

        def report(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total, visible=True)

        yield report


def verify_entries(names: Sequence[str]) -> None:
    """Check files that are here.

    Raises:
        ValueError: if one is damaged, or one that was asked for is not here.
    """
    entries = [find_entry(name) for name in names] if names else list(read_index().values())
    wrong = 0
    for entry in entries:
        for file in entry.files:
            place = find_file(entry, file)
            if place is None:
                wrong += bool(names)
                print(f'not here  {entry.name}: {file.name}')
                continue
            damage = find_damage(place, file)
            wrong += bool(damage)
            state = 'DAMAGED ' if damage else 'ok      '
            print(f'{state}  {entry.name}: {place} ({damage or file.assurance})')
    if wrong:
        raise ValueError(f'{wrong} files are damaged or not here, see above')


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command."""
    args = parse_args(argv)
    if args.command == 'list':
        list_entries()
    elif args.command == 'download':
        download_entries(args.names)
    else:
        verify_entries(args.names)


if __name__ == '__main__':
    with user_errors():
        main()
