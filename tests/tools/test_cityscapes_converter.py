"""cityscapes.py on a small tree: every one of the 34 ids, counts and foreign files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_trees import CITIES, SIZE, make_cityscapes, write_labels

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/dataset_converters'))

import cityscapes

from dts.datasets.cityscapes import CityscapesDataset

# labels.py of cityscapesScripts: name -> id of the classes that are scored.
SCORED = {
    'road': 7,
    'sidewalk': 8,
    'building': 11,
    'wall': 12,
    'fence': 13,
    'pole': 17,
    'traffic light': 19,
    'traffic sign': 20,
    'vegetation': 21,
    'terrain': 22,
    'sky': 23,
    'person': 24,
    'rider': 25,
    'car': 26,
    'truck': 27,
    'bus': 28,
    'train': 31,
    'motorcycle': 32,
    'bicycle': 33,
}


def convert(root: Path, *options: str) -> None:
    """Run the tool in this process."""
    cityscapes.main([str(root), '--num-workers', '1', *options])


@pytest.mark.slow
def test_ids_become_train_ids(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    convert(root, '--partial')
    classes = CityscapesDataset.METAINFO['classes']
    expected = np.full(34, 255)
    for name, number in SCORED.items():
        expected[number] = classes.index(name)
    for split, names in CITIES.items():
        for name in names:
            path = root / 'gtFine' / split / f'{name}_gtFine_labelTrainIds.png'
            labels = np.asarray(Image.open(path))
            assert (labels[0, :34] == expected).all()
            assert (labels[1:, 24:] == 13).all()
            assert (labels[1:, :24] == 255).all()
    names = [path.name for path in (root / 'gtFine/train/aachen').iterdir()]
    assert len(names) == 3  # ids, instances, and what was made
    for split in CITIES:
        dataset = CityscapesDataset(
            data_root=str(root),
            data_prefix={'img_path': f'leftImg8bit/{split}', 'seg_map_path': f'gtFine/{split}'},
        )
        assert len(dataset) == len(CITIES[split])


def test_counts_are_those_of_the_data_set(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    with pytest.raises(ValueError, match='gtFine/train: found 3, the data set has 2975'):
        convert(root)
    with pytest.raises(ValueError, match='found 0, the data set has 2975'):
        convert(tmp_path, '--partial')


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (np.full(SIZE, 255), r'holds the id 255, expected 0\.\.33'),
        (np.zeros((*SIZE, 3)), 'has mode RGB'),
    ],
)
def test_foreign_labels_are_named(tmp_path: Path, labels: np.ndarray, message: str) -> None:
    root = make_cityscapes(tmp_path)
    path = root / 'gtFine/train' / f'{CITIES["train"][1]}_gtFine_labelIds.png'
    write_labels(path, labels)
    with pytest.raises(ValueError, match=rf'1 of 3 masks.*\n.*labelIds\.png {message}'):
        convert(root, '--partial')


def test_torn_source_is_named(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    path = root / 'gtFine/val' / f'{CITIES["val"][0]}_gtFine_labelIds.png'
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r'000294_gtFine_labelIds\.png cannot be read'):
        convert(root, '--partial')
