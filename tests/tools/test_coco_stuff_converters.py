"""coco_stuff10k.py and coco_stuff164k.py on small trees: ids, voids, resume, one error per file."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
from PIL import Image

from coco_stuff_trees import (
    STUFF10K,
    make_coco_stuff10k,
    make_coco_stuff164k,
    published_ids,
    write_mat,
)
from small_trees import COCO, SIZE, write_labels

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/dataset_converters'))

import coco_stuff10k
import coco_stuff164k

from dts.datasets.coco_stuff164k import COCOStuff164KDataset

# Of COCO's objects those that nobody annotated: no class table names them.
NEVER_ANNOTATED = {
    12: 'street sign',
    26: 'hat',
    29: 'shoe',
    30: 'eye glasses',
    45: 'plate',
    66: 'mirror',
    68: 'window',
    69: 'desk',
    71: 'door',
    83: 'blender',
    91: 'hair brush',
}
# id of COCO-Stuff 10K -> class, from labels.txt of nightrome/cocostuff
SOME_CLASSES = {
    1: 'person',
    11: 'fire hydrant',
    13: 'stop sign',
    25: 'giraffe',
    27: 'backpack',
    90: 'toothbrush',
    92: 'banner',
    149: 'road',
    157: 'sky-other',
    182: 'wood',
}


def convert10k(root: Path, *options: str) -> None:
    pytest.importorskip('scipy')
    coco_stuff10k.main([str(root), '--num-workers', '1', '--partial', *options])


def convert164k(root: Path, *options: str) -> None:
    coco_stuff164k.main([str(root), '--num-workers', '1', '--partial', *options])


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == 'L'
        return np.asarray(image)


def test_ids_are_those_of_their_names() -> None:
    classes = COCOStuff164KDataset.METAINFO['classes']
    table10k, table164k = coco_stuff10k.class_table(), coco_stuff164k.class_table()
    assert set(coco_stuff10k.UNUSED_IDS) == set(NEVER_ANNOTATED)
    for number, name in SOME_CLASSES.items():
        assert classes[table10k[number] - 1] == name
        assert classes[table164k[number - 1]] == name
    for number in NEVER_ANNOTATED:
        assert table10k[number] == 0
        assert table164k[number - 1] == 255
    assert sorted(table10k[table10k > 0]) == list(range(1, 172))
    assert sorted(table164k[table164k < 255]) == list(range(171))


@pytest.mark.parametrize('name', ['coco_stuff10k', 'coco_stuff164k'])
def test_tables_are_those_of_the_converters_of_mmseg(name: str) -> None:
    path = Path(mmseg.__file__).parent / '.mim/tools/dataset_converters' / f'{name}.py'
    if not path.is_file():
        pytest.skip('this MMSegmentation does not ship its converters')
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == 'clsID_to_trID':
            theirs = ast.literal_eval(node.value)
    ours = sys.modules[name].class_table()
    assert {number: int(ours[number]) for number in theirs} == theirs


def test_masks_of_10k_lie_where_mmseg_has_them(tmp_path: Path) -> None:
    root = make_coco_stuff10k(tmp_path)
    convert10k(root)
    for split, names in STUFF10K.items():
        folder = root / 'annotations' / f'{split}2014'
        assert {p.name for p in folder.iterdir()} == {f'{n}_labelTrainIds.png' for n in names}
        labels = read(folder / f'{names[0]}_labelTrainIds.png')
        assert labels.shape == SIZE
        assert labels.flat[:14].tolist() == [*range(12), 0, 12]
        assert labels.flat[88:94].tolist() == [78, 79, 80, 0, 81, 82]
        assert labels.flat[182] == 171
        assert not labels.flat[183:].any()


def test_masks_of_164k_lie_beside_the_published_ones(tmp_path: Path) -> None:
    root = make_coco_stuff164k(tmp_path)
    convert164k(root)
    convert164k(root)  # what it made is no input
    for split, names in COCO.items():
        folder = root / 'annotations' / split
        made = {f'{name}{end}' for name in names for end in ('.png', '_labelTrainIds.png')}
        assert {path.name for path in folder.iterdir()} == made
        labels = read(folder / f'{names[0]}_labelTrainIds.png')
        assert labels.flat[:14].tolist() == [*range(11), 255, 11, 12]
        assert labels.flat[88:92].tolist() == [78, 79, 255, 80]
        assert labels.flat[181] == 170
        assert (labels[-1] == 255).all()


def test_whole_masks_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_coco_stuff10k(tmp_path)
    convert10k(root)
    folder = root / 'annotations/train2014'
    kept, torn = (folder / f'{name}_labelTrainIds.png' for name in STUFF10K['train'])
    write_labels(kept, np.full(SIZE, 7))
    torn.write_bytes(torn.read_bytes()[:-9])
    convert10k(root)
    assert 'train: 2 masks, 1 of them are there already' in capsys.readouterr().out
    assert (read(kept) == 7).all()
    assert read(torn).flat[182] == 171


def test_every_bad_file_of_10k_is_named(tmp_path: Path) -> None:
    root = make_coco_stuff10k(tmp_path)
    pytest.importorskip('scipy')
    first, second = STUFF10K['train']
    folder = root / 'annotations'
    (folder / f'{first}.mat').write_bytes(b'MATLAB 5.0 MAT-file, torn')
    write_mat(folder / f'{second}.mat', published_ids(0, 183))
    with pytest.raises(ValueError, match='train: 2 of 2 masks could not be made') as caught:
        convert10k(root)
    faults = str(caught.value).splitlines()[1:3]
    assert f'{first}.mat is no label map of COCO-Stuff 10K' in faults[0]
    assert f'{second}.mat holds the id 183, expected 0..182' in faults[1]
    (folder / f'{first}.mat').unlink()
    write_mat(folder / f'{second}.mat', published_ids(0, 182).astype(float))
    with pytest.raises(ValueError, match='masks could not be made') as caught:
        convert10k(root)
    assert f'{first}.mat is not there' in str(caught.value)
    assert f'{second}.mat holds float64 (32, 48), expected unsigned ids' in str(caught.value)


def test_id_of_no_class_of_164k_is_named(tmp_path: Path) -> None:
    root = make_coco_stuff164k(tmp_path)
    ids = published_ids(0, 182)  # the numbers of COCO-Stuff 10K
    write_labels(root / 'annotations/train2017/000000000025.png', ids)
    with pytest.raises(ValueError, match=r'025\.png holds the id 182, expected 0\.\.181 and 255'):
        convert164k(root)


def test_counts_of_the_whole_sets_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'train2017: found 3, the data set has 118287'):
        coco_stuff164k.main([str(make_coco_stuff164k(tmp_path))])
    pytest.importorskip('scipy')
    with pytest.raises(ValueError, match=r'train\.txt: found 2, the data set has 9000'):
        coco_stuff10k.main([str(make_coco_stuff10k(tmp_path))])


def test_missing_scipy_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco_stuff10k.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match='needs scipy: pip install scipy'):
        coco_stuff10k.main([str(tmp_path)])
