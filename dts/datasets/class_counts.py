"""Pixels of each class in every label file of a data set: counted once, then kept in a file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from dts.datasets.class_counts_file import (
    COMMAND,
    default_path,
    label_facts,
    read_counts,
    write_counts,
)
from dts.datasets.transforms.loading import LoadLabels

REPORT_SECONDS = 10.0
MAX_WORKERS = 8
MIN_FILES_FOR_WORKERS = 500  # processes take longer to start than so many files to read
NUM_NAMED = 5  # wrong files that an error names
EXIF_ORIENTATION = 0x0112
FIRST_TURNED = 5  # orientations from here on swap the sides


def class_counts(
    dataset: BaseSegDataset, file: str | None = None, num_workers: int | None = None
) -> NDArray[np.int64]:
    """Return how many pixels of each class the label files have, at their own size.

    What was counted before is read from ``file``; files that are new there, or have another size in
    bytes, are counted and added, so the statistics always fit list, label map and files. Every
    listed label file is looked up, and one that is counted is checked as by ``dts.LoadLabels``, its
    size against that of the image. An interrupted count goes on where it was.

    Args:
        dataset: labelled data set of local files.
        file: JSON file; None for ``class_counts_<hash of classes and label map>.json`` in the
            data root. If it cannot be written, a warning says that the next start counts again.
        num_workers: processes; None for one per core, at most 8.

    Returns:
        (N, K) int64 in the order of the data set, the same on all ranks; rank 0 counts.

    Raises:
        FileNotFoundError: if a label file is missing.
        ValueError: if the data set has no labels, a label file cannot be used, or ``file`` holds
            something else.
    """
    result: list[Any] = [None]
    if is_main_process():
        try:
            result = [_class_counts(dataset, file, num_workers)]
        except (FileNotFoundError, ValueError) as error:
            result = [error]  # the other ranks would wait for ever
    broadcast_object_list(result)
    if isinstance(result[0], Exception):
        raise result[0]
    counts: NDArray[np.int64] = result[0]
    return counts


def _class_counts(
    dataset: BaseSegDataset, file: str | None, num_workers: int | None
) -> NDArray[np.int64]:
    """Do the work of ``class_counts`` in one process."""
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    if not infos or 'seg_map_path' not in infos[0]:
        raise ValueError(
            f'{type(dataset).__name__} has no label files to count: set `seg_map_path` in its '
            '`data_prefix`, or take the stream out of `rare_class` of the sampler.'
        )
    facts = label_facts(dataset, infos[0].get('raw_ids'))
    root = dataset.data_root or '.'
    path = Path(file) if file else default_path(Path(root), facts)
    known = read_counts(path, facts)
    names = [os.path.relpath(info['seg_map_path'], root) for info in infos]
    sizes = _file_sizes([info['seg_map_path'] for info in infos])
    todo = [i for i, name in enumerate(names) if known.get(name, [-1])[0] != sizes[i]]
    if todo:
        faults = []
        try:
            masks = _Masks([infos[i] for i in todo], len(facts['classes']), dataset.backend_args)
            for i, counts in zip(todo, _with_progress(masks, num_workers), strict=True):
                if isinstance(counts, str):
                    faults.append(counts)
                else:
                    known[names[i]] = [sizes[i], *counts]
        finally:
            write_counts(path, facts, known)
        if faults:
            _refuse(faults, len(infos))
    return np.array([known[name][1:] for name in names], dtype=np.int64)


class _Masks(Dataset):
    """Class counts of label files, or what is wrong with them."""

    def __init__(
        self, infos: Sequence[dict[str, Any]], num_classes: int, backend_args: Any
    ) -> None:
        self.infos = infos
        self.num_classes = num_classes
        self.load = LoadLabels(backend_args=backend_args)

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> list[int] | str:
        info = dict(self.infos[index], seg_fields=[], num_classes=self.num_classes)
        try:
            info['ori_shape'] = _image_shape(info['img_path'])
            labels = self.load(info)['gt_seg_map']
        except (OSError, ValueError) as error:
            return str(error)
        counts: list[int] = np.bincount(labels.ravel(), minlength=256)[: self.num_classes].tolist()
        return counts


def _image_shape(path: str) -> tuple[int, int]:
    """Return height and width of an image, as ``dts.LoadImage`` turns it, from its header."""
    with Image.open(path) as image:
        width, height = image.size
        is_turned = image.format == 'JPEG' and (
            image.getexif().get(EXIF_ORIENTATION, 1) >= FIRST_TURNED
        )
    return (width, height) if is_turned else (height, width)


def _with_progress(masks: _Masks, num_workers: int | None) -> Iterator[list[int] | str]:
    """Yield the counts in order, and log how far it is and how long it will take."""
    total = len(masks)
    if num_workers is None:
        cores = min(MAX_WORKERS, os.cpu_count() or 1)
        num_workers = cores if total >= MIN_FILES_FOR_WORKERS else 0
    # A generator of its own: the loader would draw from the one that initializes the networks.
    loader = DataLoader(
        masks,
        batch_size=None,
        num_workers=num_workers,
        collate_fn=_unchanged,
        generator=torch.Generator(),
    )
    print_log(f'counting the pixels of each class in {total} label files', 'current')
    start = shown = time.monotonic()
    for number, counts in enumerate(loader, 1):
        yield counts
        now = time.monotonic()
        if now - shown > REPORT_SECONDS:
            shown = now
            left = int((now - start) / number * (total - number))
            print_log(
                f'{number} of {total} label files ({100 * number // total} %), '
                f'{left // 60}:{left % 60:02d} left',
                'current',
            )


def _unchanged(counts: list[int] | str) -> list[int] | str:
    """Keep plain lists: the loader would make tensors."""
    return counts


def _file_sizes(paths: Sequence[str]) -> list[int]:
    """Return the sizes in bytes; refuse missing files, all in one error."""
    sizes, missing = [], []
    for path in paths:
        try:
            sizes.append(os.stat(path).st_size)
        except FileNotFoundError:
            missing.append(path)
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(paths)} listed label files do not exist, first: '
            f'{", ".join(missing[:NUM_NAMED])}. Fetch them again or take them out of the list.'
        )
    return sizes


def _refuse(faults: Sequence[str], total: int) -> None:
    """Raise one error for all label files that cannot be used."""
    first = '\n  '.join(faults[:NUM_NAMED])
    rest = f'\n  and {len(faults) - NUM_NAMED} more' if len(faults) > NUM_NAMED else ''
    raise ValueError(
        f'{len(faults)} of {total} label files cannot be used:\n  {first}{rest}\nRepair them, or '
        'name the others in a list (one stem a line) and set `ann_file` of the data set. Then '
        f'start again, or `{COMMAND}`; what is counted is kept.'
    )
