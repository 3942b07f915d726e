"""Draw labeled and unlabeled lists for semi-supervised training.

    python tools/dataset_converters/make_splits.py data/my_images/train.txt data/my_images/splits \
        --sizes 1/16 1/8 1/4 --seeds 0 1 2 --name my_images

writes ``1_16/seed0/labeled.txt`` and ``unlabeled.txt`` (one stem a line) and so on, and
``manifest.json`` with sizes, fingerprints and arguments. The same arguments always give the same
lists; for one seed a larger split holds every smaller one of the same call.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dts import __version__
from dts.datasets.split_cover import read_presence
from dts.datasets.split_draw import Split, draw_splits, group_ids, parse_size
from dts.datasets.split_ids import Folders, fingerprint, list_folder
from dts.datasets.split_lists import SplitList, read_list, write_list

MANIFEST = 'manifest.json'
MANIFEST_FORMAT = 1


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line arguments."""
    parser = argparse.ArgumentParser(
        description='Draw seeded, nested labeled and unlabeled lists from a list or a folder.'
    )
    parser.add_argument('source', type=Path, help='list of all images, or the image folder')
    parser.add_argument('out', type=Path, help='folder for SIZE/seedN/{labeled,unlabeled}.txt')
    parser.add_argument(
        '--sizes', nargs='+', required=True, help='labels: counts (92) or fractions (1/16)'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='default: 0')
    parser.add_argument(
        '--name',
        required=True,
        help="name of the data set; the order of a group is shuffled by 'NAME-SEED-GROUP'",
    )
    parser.add_argument(
        '--group-regex',
        help='draw every group in proportion; the group of an image is what this expression '
        "matches at the start of its id (its first parenthesis if it has one), e.g. '[^_]+'",
    )
    parser.add_argument(
        '--cover-masks',
        type=Path,
        help='mask folder; the smallest split then shows every class (of --min-pixels)',
    )
    parser.add_argument(
        '--min-pixels',
        type=int,
        default=100,
        help='pixels from which on an image shows a class, with --cover-masks (default: 100)',
    )
    parser.add_argument('--img-suffix', help='end of image names, e.g. _leftImg8bit.png')
    parser.add_argument('--seg-map-suffix', help='end of mask names')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace lists; other files in OUT stay'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return 0, or 1 after printing what is wrong."""
    args = parse_args(argv)
    try:
        make_splits(args)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def make_splits(args: argparse.Namespace) -> None:
    """Draw all splits, then write them and the manifest."""
    whole = read_whole(args)
    counts = [parse_size(size, len(whole.ids)) for size in args.sizes]
    groups = group_ids(whole.ids, args.group_regex)
    presence = read_cover(whole, args) if args.cover_masks else None
    splits: dict[str, Split] = {}
    for seed in args.seeds:
        drawn = draw_splits(groups, counts, name=args.name, seed=seed, presence=presence)
        for size, split in zip(args.sizes, drawn, strict=True):
            splits[f'{size.replace("/", "_")}/seed{seed}'] = split

    files = {
        args.out / folder / f'{part}.txt': getattr(split, part)
        for folder, split in splits.items()
        for part in ('labeled', 'unlabeled')
    }
    existing = [path for path in [*files, args.out / MANIFEST] if path.exists()]
    if existing and not args.overwrite:
        raise ValueError(f'{existing[0]} exists; choose another folder or pass --overwrite')
    for path, ids in files.items():
        write_list(path, ids)
    manifest = describe(whole, splits, args, presence)
    (args.out / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n', encoding='utf-8')
    for folder, entry in manifest['splits'].items():
        labeled, unlabeled = entry['labeled'], entry['unlabeled']
        print(
            f'{folder}: {labeled["size"]} labeled {entry["groups"]}, {unlabeled["size"]} unlabeled,'
            f' sha256 of labeled {labeled["sha256"]}'
        )
    if presence is not None:
        print(f'every labeled list shows the classes {manifest["classes"]}')


def read_whole(args: argparse.Namespace) -> SplitList:
    """Read the list of all images; refuse repeats and an empty list, report blank lines."""
    folders = Folders(None, args.cover_masks, args.img_suffix, args.seg_map_suffix)
    if args.source.is_dir():
        ids = tuple(list_folder(args.source, args.img_suffix))
        whole = SplitList(args.source, 'folder', ids, ids)
    else:
        whole = read_list(args.source, folders, key='whole')
    if not whole.ids:
        raise ValueError(f'{args.source}: no image in it; expected a list or a folder of images')
    if whole.duplicates:
        raise ValueError(
            f'{args.source}: {len(whole.duplicates)} ids occur more than once, the first is '
            f'{whole.duplicates[0]!r}; remove the repeats'
        )
    if whole.blank_lines:
        print(
            f'note: {args.source}: left out {len(whole.blank_lines)} blank lines, the first is '
            f'line {whole.blank_lines[0]}',
            file=sys.stderr,
        )
    return whole


def read_cover(whole: SplitList, args: argparse.Namespace) -> dict[str, frozenset[int]]:
    """Read which classes every image shows."""
    if args.min_pixels < 1:
        raise ValueError(f'--min-pixels is {args.min_pixels}, expected at least 1')
    masks = list_folder(args.cover_masks, args.seg_map_suffix)
    absent = [item for item in whole.mask_ids if item not in masks]
    if absent:
        raise ValueError(
            f'{args.cover_masks}: no mask for {len(absent)} of {len(whole.ids)} images, the first '
            f'is {absent[0]!r}; give the mask folder, and --seg-map-suffix if names differ'
        )
    pairs = zip(whole.ids, whole.mask_ids, strict=True)
    return read_presence({item: masks[mask] for item, mask in pairs}, args.min_pixels)


def describe(
    whole: SplitList,
    splits: dict[str, Split],
    args: argparse.Namespace,
    presence: dict[str, frozenset[int]] | None,
) -> dict[str, Any]:
    """Return the manifest: what was drawn, from what, by which arguments."""
    arguments = {
        'source': str(args.source),
        'sizes': args.sizes,
        'seeds': args.seeds,
        'name': args.name,
        'group_regex': args.group_regex,
        'cover_masks': str(args.cover_masks) if args.cover_masks else None,
        'min_pixels': args.min_pixels if args.cover_masks else None,
        'img_suffix': args.img_suffix,
        'seg_map_suffix': args.seg_map_suffix,
    }
    return {
        'format': MANIFEST_FORMAT,
        'version': __version__,
        'arguments': arguments,
        'whole': summarize(whole.ids),
        'classes': sorted(frozenset[int]().union(*presence.values())) if presence else None,
        'splits': {
            folder: {
                'labeled': summarize(split.labeled),
                'unlabeled': summarize(split.unlabeled),
                'groups': split.group_counts,
            }
            for folder, split in splits.items()
        },
    }


def summarize(ids: Sequence[str]) -> dict[str, Any]:
    """Return size and fingerprint of a list."""
    return {'size': len(ids), 'sha256': fingerprint(ids)}


if __name__ == '__main__':
    sys.exit(main())
