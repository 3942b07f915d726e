"""Make the label masks of COCO-Stuff 10K from its .mat files.

    annotations/NAME.mat  ->  annotations/{train2014,test2014}/NAME_labelTrainIds.png

for the 9000 and 1000 images of imageLists/{train,test}.txt. 0 = unlabelled, 1..171 = the classes in
the order of their ids, as MMSeg's converter writes them. Images stay where they are.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from conversion import Job, add_common_options, check_count, convert_masks, read_lines

from dts.launch import user_errors

COUNTS = {'train': 9000, 'test': 1000}
NUM_IDS = 183  # 0 = unlabelled, 1..91 = objects, 92..182 = stuff
# street sign, hat, shoe, eye glasses, plate, mirror, window, desk, door, blender, hair brush: ids
# of COCO that were never annotated (nightrome/cocostuff labels.md)
UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Make the masks of COCO-Stuff 10K. Masks that are there already are kept.'
    )
    parser.add_argument(
        'root',
        nargs='?',
        type=Path,
        default=Path('data/coco_stuff10k'),
        help='folder that holds annotations/ and imageLists/ (default %(default)s)',
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def class_table() -> np.ndarray:
    """Return id -> 1 + class, (183,) uint8; unlabelled and unused ids give 0."""
    used = [number for number in range(1, NUM_IDS) if number not in UNUSED_IDS]
    table = np.zeros(NUM_IDS, np.uint8)
    table[used] = np.arange(1, len(used) + 1, dtype=np.uint8)
    return table


def read_mask(path: Path) -> np.ndarray:
    """Return 1 + class of every pixel of a .mat file, 0 = unlabelled, (H, W) uint8.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it cannot be read or holds an id above 182.
    """
    from scipy.io import loadmat  # noqa: PLC0415 - only this converter needs it

    if not path.is_file():
        raise FileNotFoundError(f'{path} is not there: unpack cocostuff-10k-v1.1.zip again')
    try:
        ids = np.asarray(loadmat(path, variable_names=['S'])['S'])
    except Exception as error:  # a damaged file makes scipy raise anything
        raise ValueError(
            f'{path} is no label map of COCO-Stuff 10K ({type(error).__name__}: {error}); expected '
            'a file of the folder annotations/ with S'
        ) from error
    if ids.dtype.kind != 'u' or ids.ndim != 2:
        raise ValueError(f'{path} holds {ids.dtype} {ids.shape}, expected unsigned ids (H, W)')
    if ids.max(initial=0) >= NUM_IDS:
        raise ValueError(f'{path} holds the id {ids.max()}, expected 0..{NUM_IDS - 1}')
    return class_table()[ids]


def main(argv: Sequence[str] | None = None) -> None:
    """Make the masks of both lists."""
    args = parse_args(argv)
    if importlib.util.find_spec('scipy') is None:
        raise ValueError('reading the .mat files of COCO-Stuff 10K needs scipy: pip install scipy')
    folder = args.root / 'annotations'
    for split, count in COUNTS.items():
        path = args.root / 'imageLists' / f'{split}.txt'
        names = read_lines(path)
        check_count(f'{path}', len(names), count, args.partial)
        jobs = [
            Job(
                target=folder / f'{split}2014' / f'{name}_labelTrainIds.png',
                source=folder / f'{name}.mat',
            )
            for name in names
        ]
        convert_masks(split, jobs, read_mask, args.num_workers)
    print(f'Written to {folder}. Config: configs/_base_/datasets/coco_stuff10k.py')


if __name__ == '__main__':
    with user_errors():
        main()
