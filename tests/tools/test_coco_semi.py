"""coco_semi.py on a small tree in the layout of COCO 2017."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_trees import COCO, SIZE, coco_categories, make_coco

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/dataset_converters'))

import coco_semi

from dts.datasets.coco_semi import COCOSemiDataset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tree before conversion."""
    return make_coco(tmp_path, coco_categories())


def convert(root: Path, *options: str) -> None:
    """Run the tool on a part of the data set."""
    coco_semi.main([str(root), '--num-workers', '1', '--partial', *options])


def edit(root: Path, **entries: object) -> None:
    """Replace entries of the train annotations."""
    path = root / 'annotations/instances_train2017.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_masks_of_both_splits(root: Path) -> None:
    convert(root)
    names = [name for split in COCO.values() for name in split]
    assert {path.name for path in (root / 'masks').iterdir()} == {f'{name}.png' for name in names}
    expected = np.zeros(SIZE, np.uint8)
    expected[16:, 24:] = 255  # the crowd
    expected[10:20, 20:40] = 26  # umbrella: category 28, two numbers below it are unused
    expected[:5, :10] = 5  # airplane
    for name in names:
        labels = np.asarray(Image.open(root / 'masks' / f'{name}.png'))
        assert (labels == (0 if name == '000000000025' else expected)).all()
    classes = COCOSemiDataset.METAINFO['classes']
    assert (classes[26], classes[5]) == ('umbrella', 'airplane')


def test_classes_follow_the_sorted_ids() -> None:
    categories = coco_categories()
    table = coco_semi.class_table(categories[::-1], Path('instances.json'))
    assert len(table) == 80
    assert (table[1], table[11], table[13], table[90]) == (1, 11, 12, 80)
    assert [table[category['id']] for category in categories] == list(range(1, 81))


@pytest.mark.slow
def test_two_processes_and_resume(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert(root, '--num-workers', '2')
    assert len(list((root / 'masks').iterdir())) == 4
    (root / 'masks/000000000009.png').unlink()
    capsys.readouterr()
    convert(root)
    out = capsys.readouterr().out
    assert 'train2017: 3 masks, 2 of them are there already' in out
    assert 'val2017: 1 masks, 1 of them are there already' in out


def test_counts_are_those_of_the_data_set(root: Path) -> None:
    with pytest.raises(ValueError, match='found 3, the data set has 118287'):
        coco_semi.main([str(root)])


def test_other_categories_are_refused(root: Path) -> None:
    edit(root, categories=coco_categories()[:79])
    with pytest.raises(ValueError, match=r'instances_train2017\.json has 79 categories'):
        convert(root)


def test_wrong_annotation_names_image_and_annotation(root: Path) -> None:
    path = root / 'annotations/instances_train2017.json'
    annotations = json.loads(path.read_text())['annotations']
    annotations[4]['segmentation'] = [[1, 1, 2, 2]]
    edit(root, annotations=annotations)
    message = r'000000581929\.png: annotation 5: a polygon of 4 numbers'
    with pytest.raises(ValueError, match=message):
        convert(root)
    assert (root / 'masks/000000000009.png').is_file()


def test_annotation_files_are_checked(root: Path) -> None:
    path = root / 'annotations/instances_train2017.json'
    content = path.read_text()
    path.write_text(content[:200])
    with pytest.raises(ValueError, match=r'instances_train2017\.json is not whole'):
        convert(root)
    path.write_text('{"images": []}')
    with pytest.raises(ValueError, match=r"has no \['annotations', 'categories'\]"):
        convert(root)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r'no annotations .*instances_train2017\.json'):
        convert(root)
