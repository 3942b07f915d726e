"""Make the augmented training set of PASCAL VOC 2012: 10 582 masks and their list.

Takes the folder ``dataset`` of SBD (``cls/NAME.mat``, ``train.txt``, ``val.txt``) and VOC 2012, and
writes into the latter

    SegmentationClassAug/NAME.png               one channel: 0..20 = class, 255 = ignore
    ImageSets/Segmentation/trainaug.txt         one stem a line

The list is that of VOC's train and all of SBD, without VOC's val. An image of VOC's train list
gets VOC's mask, which is the finer one and marks object borders as ignore; others get SBD's.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from conversion import (
    Job,
    add_common_options,
    check_count,
    convert_masks,
    read_labels,
    read_lines,
    write_lines,
)

from dts.launch import user_errors

NUM_AUGMENTED = 10582
NUM_CLASSES = 21
IGNORE_INDEX = 255
LISTS = Path('ImageSets', 'Segmentation')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Make SegmentationClassAug and trainaug.txt of VOC 2012 from SBD. Masks that '
        'are there already are kept.'
    )
    parser.add_argument('sbd', type=Path, help='the folder benchmark_RELEASE/dataset of SBD')
    parser.add_argument(
        '--voc', type=Path, default=Path('data/VOCdevkit/VOC2012'), help='(default %(default)s)'
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def read_mask(path: Path) -> np.ndarray:
    """Return the labels of a .mat file of SBD or of a palette PNG of VOC, (H, W) uint8.

    Raises:
        ValueError: if the file cannot be read or holds an id that is no class.
    """
    labels = read_sbd(path) if path.suffix == '.mat' else read_labels(path)
    wrong = np.setdiff1d(labels, [*range(NUM_CLASSES), IGNORE_INDEX])
    if wrong.size:
        raise ValueError(
            f'{path} holds the id {wrong[0]}, expected 0..{NUM_CLASSES - 1} and {IGNORE_INDEX} '
            '(ignore)'
        )
    return labels


def read_sbd(path: Path) -> np.ndarray:
    """Return the class labels of a .mat file of SBD."""
    from scipy.io import loadmat  # noqa: PLC0415 - only this converter needs it

    if not path.is_file():
        raise FileNotFoundError(f'{path} is not there: fetch SBD again')
    try:
        labels = np.asarray(loadmat(path)['GTcls'][0, 0]['Segmentation'])
    except Exception as error:  # a damaged file makes scipy raise anything
        raise ValueError(
            f'{path} is no class mask of SBD ({type(error).__name__}: {error}); expected a file '
            'of the folder cls/ with GTcls.Segmentation'
        ) from error
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'{path} holds {labels.dtype} {labels.shape}, expected uint8 (H, W)')
    return labels


def main(argv: Sequence[str] | None = None) -> None:
    """Make the masks, then the list."""
    args = parse_args(argv)
    if importlib.util.find_spec('scipy') is None:
        raise ValueError('reading the .mat files of SBD needs scipy: pip install scipy')
    augmented = {name for part in ('train', 'val') for name in read_lines(args.sbd / f'{part}.txt')}
    fine = set(read_lines(args.voc / LISTS / 'train.txt'))
    names = sorted((augmented | fine) - set(read_lines(args.voc / LISTS / 'val.txt')))
    check_count('trainaug', len(names), NUM_AUGMENTED, args.partial)
    jobs = [
        Job(
            target=args.voc / 'SegmentationClassAug' / f'{name}.png',
            source=args.voc / 'SegmentationClass' / f'{name}.png'
            if name in fine
            else args.sbd / 'cls' / f'{name}.mat',
        )
        for name in names
    ]
    convert_masks('SegmentationClassAug', jobs, read_mask, args.num_workers)
    write_lines(args.voc / LISTS / 'trainaug.txt', names)
    print(f'Written to {args.voc}. Next: lists of labeled images (data/README.md)')


if __name__ == '__main__':
    with user_errors():
        main()
