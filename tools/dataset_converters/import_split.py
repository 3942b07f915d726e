"""Bring a published list of labeled images into the form that the configs read, after checking it.

    python tools/dataset_converters/import_split.py voc2012-classic-183-321 LABELED_LIST

reads any format of `dts.datasets.split_lists`, checks that the list is the one that the protocol
names, and writes ``splits/FAMILY/SIZE/{labeled,unlabeled}.txt`` below the folder of the data set;
unlabeled are all other training images. The crop in the name of the protocol plays no part here.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from dts.datasets.split_ids import fingerprint
from dts.datasets.split_lists import write_list
from dts.launch import user_errors
from dts.protocols.lists import check_labeled, check_members, note_labeled, read_labeled, read_whole
from dts.protocols.presets import PROTOCOLS, find_protocol


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Check a published list against a protocol and write it for the configs.'
    )
    parser.add_argument('protocol', nargs='?', help='such as voc2012-classic-183-321')
    parser.add_argument('labeled', nargs='?', type=Path, help='published labeled list')
    parser.add_argument(
        '--data-root', type=Path, help='folder of the data set (default: where the configs look)'
    )
    parser.add_argument('--list', action='store_true', help='show all protocols')
    args = parser.parse_args(argv)
    if not args.list and args.labeled is None:
        parser.error('give a protocol and a list, or --list')
    return args


def show_protocols() -> None:
    """Print one line for each protocol."""
    for name, protocol in PROTOCOLS.items():
        folder = f'splits/{protocol.family.name}/{protocol.num_labeled}'
        facts = [str(protocol.evaluation), protocol.family.origin, *note_labeled(protocol)]
        print(f'{name:30} {folder:22} {"; ".join(facts)}')


def main(argv: Sequence[str] | None = None) -> None:
    """Check the list, then write it and its complement."""
    args = parse_args(argv)
    if args.list:
        show_protocols()
        return
    protocol = find_protocol(args.protocol)
    root = args.data_root or Path(os.environ.get('DTS_DATA_ROOT', 'data'), protocol.source.folder)
    split = read_labeled(protocol, args.labeled, root)
    whole = read_whole(protocol, root)
    faults = check_labeled(protocol, split, root)
    if protocol.source.whole_list is None:
        faults += check_members(protocol, split.ids, frozenset(whole))
    if faults:
        raise ValueError(
            f'{args.labeled} is not the labeled list of {protocol.name}:\n  ' + '\n  '.join(faults)
        )
    folder = root / 'splits' / protocol.family.name / str(protocol.num_labeled)
    labeled = sorted(split.ids)
    write_list(folder / 'labeled.txt', labeled)
    write_list(folder / 'unlabeled.txt', sorted(set(whole).difference(labeled)))
    print(
        f'{folder}: {len(labeled)} labeled, {len(whole) - len(labeled)} unlabeled, '
        f'sha256 of labeled {fingerprint(labeled)}'
    )
    for note in note_labeled(protocol):
        print(note)


if __name__ == '__main__':
    with user_errors():
        main()
