"""voc_aug.py on small trees of SBD and VOC 2012: masks, list, resume, one error per bad file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_trees import SBD_ONLY, VOC_TRAIN, VOC_VAL, make_voc2012, voc_labels, write_lines

CONVERTERS = Path(__file__).parents[2] / 'tools/dataset_converters'
sys.path.insert(0, str(CONVERTERS))

import conversion
import voc_aug

savemat = pytest.importorskip('scipy.io').savemat


def sbd_labels() -> np.ndarray:
    """Other than VOC's: no border, and a cat (8)."""
    labels = np.zeros((32, 48), np.uint8)
    labels[5:25, 5:30] = 8
    return labels


def write_mat(path: Path, labels: np.ndarray) -> None:
    """Write class labels in the structure of SBD's cls/*.mat."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = np.zeros((1, 1), [('Boundaries', 'O'), ('Segmentation', 'O')])
    content[0, 0] = (np.zeros((20, 1)), labels)
    savemat(path, {'GTcls': content})


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """SBD and VOC; SBD also holds an image of VOC's train and one of its val list."""
    voc = make_voc2012(tmp_path, with_aug=False)
    sbd = tmp_path / 'benchmark_RELEASE' / 'dataset'
    parts = {'train': [*SBD_ONLY[:2], VOC_TRAIN[0]], 'val': [SBD_ONLY[2], VOC_VAL[0]]}
    for part, names in parts.items():
        write_lines(sbd / f'{part}.txt', names)
        for name in names:
            write_mat(sbd / 'cls' / f'{name}.mat', sbd_labels())
    return sbd, voc


def run(trees: tuple[Path, Path], *options: str) -> None:
    """Run the tool on a part of the data set, in this process."""
    sbd, voc = trees
    voc_aug.main([str(sbd), '--voc', str(voc), '--num-workers', '1', '--partial', *options])


def test_augmented_set_is_train_and_sbd_without_val(trees: tuple[Path, Path]) -> None:
    run(trees)
    voc = trees[1]
    lines = (voc / 'ImageSets/Segmentation/trainaug.txt').read_text().split()
    assert lines == sorted([*VOC_TRAIN, *SBD_ONLY])
    made = {path.name for path in (voc / 'SegmentationClassAug').iterdir()}
    assert made == {f'{name}.png' for name in lines}
    for name in lines:
        with Image.open(voc / 'SegmentationClassAug' / f'{name}.png') as image:
            assert image.mode == 'L'
            expected = voc_labels() if name in VOC_TRAIN else sbd_labels()
            assert (np.asarray(image) == expected).all()


def test_two_processes_make_the_same(trees: tuple[Path, Path]) -> None:
    run(trees, '--num-workers', '2')
    path = trees[1] / 'SegmentationClassAug' / f'{SBD_ONLY[2]}.png'
    assert (np.asarray(Image.open(path)) == sbd_labels()).all()


def test_whole_masks_are_kept_and_torn_ones_made_again(
    trees: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run(trees)
    folder = trees[1] / 'SegmentationClassAug'
    kept, torn = (folder / f'{name}.png' for name in SBD_ONLY[:2])
    Image.fromarray(np.full((32, 48), 3, np.uint8)).save(kept)
    torn.write_bytes(torn.read_bytes()[:-20])
    run(trees)
    assert '5 masks, 4 of them are there already' in capsys.readouterr().out
    assert (np.asarray(Image.open(kept)) == 3).all()
    assert (np.asarray(Image.open(torn)) == sbd_labels()).all()


def test_every_bad_input_is_named_and_the_others_are_made(trees: tuple[Path, Path]) -> None:
    sbd, voc = trees
    write_mat(sbd / 'cls' / f'{SBD_ONLY[0]}.mat', np.full((32, 48), 21, np.uint8))
    (sbd / 'cls' / f'{SBD_ONLY[1]}.mat').write_bytes(b'MATLAB 5.0 MAT-file, torn')
    (sbd / 'cls' / f'{SBD_ONLY[2]}.mat').unlink()
    with pytest.raises(ValueError, match='3 of 5 masks could not be made') as caught:
        run(trees)
    faults = str(caught.value).splitlines()[1:4]
    assert f'{SBD_ONLY[0]}.mat holds the id 21, expected 0..20 and 255' in faults[0]
    assert f'{SBD_ONLY[1]}.mat is no class mask of SBD' in faults[1]
    assert f'{SBD_ONLY[2]}.mat is not there' in faults[2]
    assert (voc / 'SegmentationClassAug' / f'{VOC_TRAIN[1]}.png').is_file()
    assert not (voc / 'ImageSets/Segmentation/trainaug.txt').exists()


def test_count_of_the_whole_set_is_checked(trees: tuple[Path, Path]) -> None:
    sbd, voc = trees
    with pytest.raises(ValueError, match=r'trainaug: found 5, the data set has 10582: .*--partial'):
        voc_aug.main([str(sbd), '--voc', str(voc)])
    assert not (voc / 'SegmentationClassAug').exists()


def test_missing_scipy_names_the_package(
    trees: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voc_aug.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match='needs scipy: pip install scipy'):
        run(trees)


def test_missing_list_is_named(trees: tuple[Path, Path]) -> None:
    (trees[0] / 'val.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'no list .*dataset/val\.txt'):
        run(trees)


def test_progress_tells_rate_and_time_left() -> None:
    assert conversion.progress(50, 200, 5.0) == '50 of 200 (25 %), 10.0/s, 0:00:15 left'
    assert conversion.progress(1, 7201, 1.0) == '1 of 7201 (0 %), 1.0/s, 2:00:00 left'


def test_no_name_appears_before_the_mask_is_whole(tmp_path: Path) -> None:
    target = tmp_path / 'a.png'
    with pytest.raises(ValueError, match='expected uint8'):
        conversion.write_mask(target, np.zeros((2, 2), np.int64))
    assert not list(tmp_path.iterdir())
    conversion.write_mask(target, np.zeros((2, 2), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']
    assert conversion.is_whole(target)
    target.write_bytes(target.read_bytes()[:-1])
    assert not conversion.is_whole(target)
    assert not conversion.is_whole(tmp_path / 'b.png')
