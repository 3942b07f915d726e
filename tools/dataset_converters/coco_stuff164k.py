"""Make the train ids of COCO-Stuff 164K: ``NAME_labelTrainIds.png`` beside every ``NAME.png``.

Of the 182 ids of stuffthingmaps_trainval2017.zip, 0..181, the 171 that were annotated become the
classes 0..170 in their order, as MMSeg's converter writes them; 255 = unlabelled stays.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from coco_stuff10k import UNUSED_IDS
from conversion import Job, add_common_options, check_count, convert_masks, read_labels

from dts.launch import user_errors

COUNTS = {'train2017': 118287, 'val2017': 5000}
TARGET_SUFFIX = '_labelTrainIds.png'
NUM_IDS = 182
IGNORE_INDEX = 255


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Make the train ids of COCO-Stuff 164K. Masks that are there already are kept.'
    )
    parser.add_argument(
        'root',
        nargs='?',
        type=Path,
        default=Path('data/coco_stuff164k'),
        help='folder that holds annotations/ (default %(default)s)',
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def class_table() -> np.ndarray:
    """Return id -> class, (256,) uint8; ids here are one less than those of COCO-Stuff 10K."""
    used = [number for number in range(NUM_IDS) if number + 1 not in UNUSED_IDS]
    table = np.full(256, IGNORE_INDEX, np.uint8)
    table[used] = np.arange(len(used), dtype=np.uint8)
    return table


def to_train_ids(path: Path) -> np.ndarray:
    """Return the classes of a label file, (H, W) uint8, 255 = unlabelled.

    Raises:
        ValueError: if the file cannot be read or holds an id of 182..254.
    """
    ids = read_labels(path)
    wrong = ids[(ids >= NUM_IDS) & (ids != IGNORE_INDEX)]
    if wrong.size:
        raise ValueError(
            f'{path} holds the id {wrong.max()}, expected 0..{NUM_IDS - 1} and {IGNORE_INDEX} '
            '(unlabelled): take the files of stuffthingmaps_trainval2017.zip'
        )
    return class_table()[ids]


def main(argv: Sequence[str] | None = None) -> None:
    """Convert train and val."""
    args = parse_args(argv)
    for split, count in COUNTS.items():
        folder = args.root / 'annotations' / split
        sources = [p for p in sorted(folder.glob('*.png')) if not p.name.endswith(TARGET_SUFFIX)]
        check_count(f'{folder}', len(sources), count, args.partial)
        jobs = [Job(path.with_name(f'{path.stem}{TARGET_SUFFIX}'), path) for path in sources]
        convert_masks(split, jobs, to_train_ids, args.num_workers)
    print('Config: configs/_base_/datasets/coco_stuff164k.py')


if __name__ == '__main__':
    with user_errors():
        main()
