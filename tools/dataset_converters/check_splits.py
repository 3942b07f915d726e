"""Check the labeled and unlabeled lists of semi-supervised training.

    python tools/dataset_converters/check_splits.py data/camvid/splits/semi \
        --whole data/camvid/splits/all/train.txt --img-dir data/camvid/img_dir/train \
        --ann-dir data/camvid/ann_dir/train

checks every folder with a ``labeled.txt``: no blank line, no repeat, disjoint, complete, files
there, nested. Single files in any format of `dts.datasets.split_lists` go by ``--labeled`` and
``--unlabeled``. One line per fault, beginning with FAIL; exit code 1 if there is any.

A list in a folder ``FAMILY/SIZE``, where import_split.py writes it, has to be the published one of
that name; ``--expect-name`` says so of any list.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dts.datasets import split_check
from dts.datasets.split_ids import Folders, fingerprint, list_folder
from dts.datasets.split_lists import SplitList, read_list
from dts.protocols.presets import PROTOCOLS

KNOWN_LISTS = Path(__file__).resolve().parents[2] / 'data' / 'known_splits.json'
# Folders that import_split.py writes -> name of the published list.
PUBLISHED = {
    (protocol.family.name, str(protocol.num_labeled)): protocol.list_name
    for protocol in PROTOCOLS.values()
}


@dataclass(frozen=True)
class Reference:
    """What lists are held against; None means not given."""

    folders: Folders
    whole: tuple[str, ...] | None
    images: frozenset[str] | None
    masks: frozenset[str] | None
    known: dict[str, str]


@dataclass(frozen=True)
class Pair:
    """A labeled list with its unlabeled one, if any."""

    name: str
    seed: str
    labeled: SplitList
    unlabeled: SplitList | None


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line arguments."""
    parser = argparse.ArgumentParser(description='Check labeled and unlabeled lists.')
    parser.add_argument(
        'roots', nargs='*', type=Path, help='folders with labeled.txt and unlabeled.txt in them'
    )
    parser.add_argument('--labeled', type=Path, help='a labeled list of any supported format')
    parser.add_argument('--unlabeled', type=Path, help='the unlabeled list that goes with it')
    parser.add_argument(
        '--num-labeled',
        type=int,
        help='--labeled orders the whole list: its first N are labeled, the others unlabeled',
    )
    parser.add_argument('--whole', type=Path, help='list of all images, or the image folder')
    parser.add_argument('--img-dir', type=Path, help='image folder')
    parser.add_argument('--ann-dir', type=Path, help='mask folder, for labeled images')
    parser.add_argument('--img-suffix', help='end of image names, e.g. _leftImg8bit.png')
    parser.add_argument('--seg-map-suffix', help='end of mask names')
    parser.add_argument('--expect-size', type=int, help='number of labeled images')
    parser.add_argument(
        '--expect-name', help='known or published list that the labeled list must be'
    )
    parser.add_argument(
        '--require-nested', action='store_true', help='lists of one seed that do not nest fail'
    )
    parser.add_argument(
        '--known', type=Path, default=KNOWN_LISTS, help='table of known lists (JSON)'
    )
    args = parser.parse_args(argv)
    if bool(args.roots) == bool(args.labeled):
        parser.error('give either folders or --labeled')
    if (args.unlabeled or args.num_labeled) and not args.labeled:
        parser.error('--unlabeled and --num-labeled go with --labeled')
    if args.unlabeled and args.num_labeled:
        parser.error('give either --unlabeled or --num-labeled')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return 0 if every list is sound, else 1."""
    args = parse_args(argv)
    faults: list[str] = []
    try:
        reference = read_reference(args, faults)
    except (ValueError, OSError) as error:
        print(f'FAIL {error}')
        return 1
    pairs = read_pairs(args, reference, faults)
    for pair in pairs:
        found = check_pair(pair, reference, args)
        faults += [f'{pair.name}: {fault}' for fault in found]
        if not found:
            print(describe(pair, reference.known))
            expected = expected_name(pair, args)
            notes = split_check.note_unverified(expected, reference.known) if expected else []
            for note in notes:
                print(f'note {pair.name}: {note}')
    notes = check_nesting(pairs)
    faults += notes if args.require_nested else []
    for note in [] if args.require_nested else notes:
        print(f'note {note}')
    for fault in faults:
        print(f'FAIL {fault}')
    return 1 if faults else 0


def read_reference(args: argparse.Namespace, faults: list[str]) -> Reference:
    """Read whole list, folders and known lists; faults of the whole list are added."""
    folders = Folders(args.img_dir, args.ann_dir, args.img_suffix, args.seg_map_suffix)
    whole = None
    if args.whole and args.whole.is_dir():
        whole = tuple(list_folder(args.whole, args.img_suffix))
    elif args.whole:
        split = read_list(args.whole, folders, key='whole')
        faults += [f'{args.whole}: {fault}' for fault in split_check.check_lines(split)]
        whole = split.ids
    images = frozenset(list_folder(args.img_dir, args.img_suffix)) if args.img_dir else None
    masks = frozenset(list_folder(args.ann_dir, args.seg_map_suffix)) if args.ann_dir else None
    known = split_check.load_known_lists(args.known)
    names = {*known.values(), *PUBLISHED.values()}
    if args.expect_name is not None and args.expect_name not in names:
        raise ValueError(
            f'{args.expect_name!r} is neither a known nor a published list: {sorted(names)}'
        )
    return Reference(folders, whole, images, masks, known)


def read_pairs(args: argparse.Namespace, reference: Reference, faults: list[str]) -> list[Pair]:
    """Read all lists to check; a list that cannot be read adds a fault."""
    jobs: list[tuple[str, str, Path, Path | None]] = []
    if args.labeled:
        jobs.append((str(args.labeled), '', args.labeled, args.unlabeled))
    for root in args.roots:
        files = sorted(root.rglob('labeled.txt'))
        if not files:
            faults.append(f'{root}: no labeled.txt in this folder or below')
        for file in files:
            folder = file.parent
            seed = folder.name if re.fullmatch(r'seed\d+', folder.name) else ''
            jobs.append((str(folder), seed, file, folder / 'unlabeled.txt'))
    pairs = []
    for job in jobs:
        pair = read_pair(job, reference, args.num_labeled)
        if isinstance(pair, Pair):
            pairs.append(pair)
        else:
            faults.append(pair)
    return pairs


def read_pair(
    job: tuple[str, str, Path, Path | None], reference: Reference, num_labeled: int | None
) -> Pair | str:
    """Read a labeled and an unlabeled list, or cut one order in two; return what is wrong."""
    name, seed, labeled_path, unlabeled_path = job
    folders, whole = reference.folders, reference.whole
    unlabeled = None
    try:
        labeled = read_list(labeled_path, folders, key='labeled', whole=whole)
        if unlabeled_path:
            unlabeled = read_list(unlabeled_path, folders, key='unlabeled', whole=whole)
    except (ValueError, OSError) as error:
        return str(error)
    if num_labeled is not None:
        if not 0 < num_labeled < len(labeled.ids):
            return f'{name}: {len(labeled.ids)} ids, cannot label {num_labeled} of them'
        cut = slice(num_labeled), slice(num_labeled, None)
        first, rest = (
            replace(labeled, ids=labeled.ids[part], mask_ids=labeled.mask_ids[part]) for part in cut
        )
        return Pair(name, seed, first, rest)
    return Pair(name, seed, labeled, unlabeled)


def check_pair(pair: Pair, reference: Reference, args: argparse.Namespace) -> list[str]:
    """Return all faults of a labeled list and its unlabeled list."""
    labeled = pair.labeled
    faults = [f'labeled: {fault}' for fault in split_check.check_lines(labeled)]
    parts = list(labeled.ids)
    if pair.unlabeled is not None:
        faults += [f'unlabeled: {fault}' for fault in split_check.check_lines(pair.unlabeled)]
        faults += split_check.check_disjoint(labeled.ids, pair.unlabeled.ids)
        parts += pair.unlabeled.ids
        if reference.whole is not None:
            faults += split_check.check_complete(parts, reference.whole)
    if reference.images is not None:
        faults += split_check.check_files(parts, reference.images, args.img_dir)
    if reference.masks is not None:
        faults += split_check.check_files(labeled.mask_ids, reference.masks, args.ann_dir)
    if args.expect_size is not None:
        faults += split_check.check_size(labeled.ids, args.expect_size)
    expected = expected_name(pair, args)
    if expected is not None:
        faults += split_check.check_name(labeled.ids, expected, reference.known)
    return faults


def expected_name(pair: Pair, args: argparse.Namespace) -> str | None:
    """Return the name of the known list that a labeled list must be; None: it may be any."""
    folders = pair.labeled.path.absolute().parts[-3:-1]
    return args.expect_name or PUBLISHED.get(folders)


def check_nesting(pairs: Sequence[Pair]) -> list[str]:
    """Return what does not nest among the lists of every seed; print what does."""
    by_seed: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for pair in pairs:
        by_seed[pair.seed][pair.name] = pair.labeled.ids
    faults = []
    for seed, lists in sorted(by_seed.items()):
        found = [f'not nested: {fault}' for fault in split_check.check_nested(lists)]
        faults += found
        if len(lists) > 1 and not found:
            sizes = ' < '.join(str(size) for size in sorted(len(ids) for ids in lists.values()))
            print(f'nested {seed or "lists"}: {sizes}')
    return faults


def describe(pair: Pair, known: dict[str, str]) -> str:
    """Return one line about a sound list."""
    digest = fingerprint(pair.labeled.ids)
    unlabeled = f', {len(pair.unlabeled.ids)} unlabeled' if pair.unlabeled else ''
    return (
        f'ok   {pair.name}: {len(pair.labeled.ids)} labeled{unlabeled}, sha256 {digest}, '
        f'{known.get(digest, "no known list")}'
    )


if __name__ == '__main__':
    sys.exit(main())
