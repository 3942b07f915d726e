"""COCO-Stuff 10K and 164K in their true layout, with a handful of small images each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from small_trees import COCO, SIZE, write_image, write_labels, write_lines

STUFF10K = {
    'train': ('COCO_train2014_000000000077', 'COCO_train2014_000000581909'),
    'test': ('COCO_train2014_000000001355',),
}


def published_ids(first: int, last: int) -> np.ndarray:
    """Every id of a range once, from the left of the first row on; the range's first elsewhere."""
    ids = np.full(SIZE, first, np.uint8)
    ids.flat[: last - first + 1] = np.arange(first, last + 1)
    return ids


def write_mat(path: Path, ids: np.ndarray) -> None:
    """Write a label map as COCO-Stuff 10K has it: S, beside names and captions."""
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    names = np.array([['unlabeled'], ['person']], dtype=object)
    savemat(path, {'S': ids, 'names': names, 'captions': np.array([['a street']], dtype=object)})


def make_coco_stuff10k(root: Path, with_masks: bool = False) -> Path:
    """COCO-Stuff 10K before conversion, or with masks in place of .mat; return its folder.

    The masks hold 0 = unlabelled in the upper rows, 1 = person and 171 = wood in the others.
    """
    folder = root / 'coco_stuff10k'
    for split, names in STUFF10K.items():
        write_lines(folder / 'imageLists' / f'{split}.txt', names)
        for name in names:
            write_image(folder / 'images' / f'{name}.jpg')
            if with_masks:
                masks = folder / 'annotations' / f'{split}2014'
                write_labels(masks / f'{name}_labelTrainIds.png', three_rows(0, 1, 171))
            else:
                write_mat(folder / 'annotations' / f'{name}.mat', published_ids(0, 182))
    return folder


def make_coco_stuff164k(root: Path, with_masks: bool = False) -> Path:
    """COCO-Stuff 164K before conversion, or with train ids beside; return its folder.

    The train ids are 255 = unlabelled in the upper rows, 0 = person and 170 = wood in the others.
    """
    folder = root / 'coco_stuff164k'
    for split, names in COCO.items():
        for name in names:
            write_image(folder / 'images' / split / f'{name}.jpg')
            ids = published_ids(0, 181)
            ids[-1] = 255
            masks = folder / 'annotations' / split
            write_labels(masks / f'{name}.png', ids)
            if with_masks:
                write_labels(masks / f'{name}_labelTrainIds.png', three_rows(255, 0, 170))
    return folder


def three_rows(upper: int, middle: int, lower: int) -> np.ndarray:
    """Labels in three bands."""
    labels = np.full(SIZE, middle, np.uint8)
    labels[:8], labels[24:] = upper, lower
    return labels
