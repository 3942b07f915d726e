"""Make the train ids of Cityscapes: ``*_labelTrainIds.png`` beside every ``*_labelIds.png``.

Of the 34 ids of the annotation the 19 that are scored become 0..18, all others 255 = ignore.
The labels of the test split are not public: it is left alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from conversion import Job, add_common_options, check_count, convert_masks, read_labels

from dts.launch import user_errors

COUNTS = {'train': 2975, 'val': 500}
SOURCE_SUFFIX = '_gtFine_labelIds.png'
TARGET_SUFFIX = '_gtFine_labelTrainIds.png'
NUM_IDS = 34
IGNORE_INDEX = 255
# The scored ids in the order of their train ids (mcordts/cityscapesScripts helpers/labels.py).
SCORED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Make the train ids of Cityscapes. Masks that are there already are kept.'
    )
    parser.add_argument(
        'root',
        nargs='?',
        type=Path,
        default=Path('data/cityscapes'),
        help='folder that holds gtFine/ (default %(default)s)',
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def to_train_ids(path: Path) -> np.ndarray:
    """Return the train ids of a label file, (H, W) uint8.

    Raises:
        ValueError: if the file cannot be read or holds an id above 33.
    """
    labels = read_labels(path)
    if labels.max() >= NUM_IDS:
        raise ValueError(
            f'{path} holds the id {labels.max()}, expected 0..{NUM_IDS - 1}: take the original '
            f'*{SOURCE_SUFFIX}'
        )
    table = np.full(NUM_IDS, IGNORE_INDEX, np.uint8)
    table[list(SCORED_IDS)] = np.arange(len(SCORED_IDS), dtype=np.uint8)
    return table[labels]


def main(argv: Sequence[str] | None = None) -> None:
    """Convert train and val."""
    args = parse_args(argv)
    for split, count in COUNTS.items():
        sources = sorted((args.root / 'gtFine' / split).glob(f'*/*{SOURCE_SUFFIX}'))
        check_count(f'{args.root / "gtFine" / split}', len(sources), count, args.partial)
        jobs = [
            Job(path.with_name(path.name.removesuffix(SOURCE_SUFFIX) + TARGET_SUFFIX), path)
            for path in sources
        ]
        convert_masks(split, jobs, to_train_ids, args.num_workers)
    print('Next: lists of labeled images (data/README.md)')


if __name__ == '__main__':
    with user_errors():
        main()
