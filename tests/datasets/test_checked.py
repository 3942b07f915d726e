"""The checks that every image/mask data set makes when it is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from dts.datasets.checked import CheckedSegDataset

CLASSES = {'classes': ('a', 'b')}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images with masks; the files are empty, for nothing reads them here."""
    for folder, suffix in (('img', '.jpg'), ('ann', '.png')):
        (tmp_path / folder).mkdir()
        for stem in ('x', 'y', 'z'):
            (tmp_path / folder / f'{stem}{suffix}').touch()
    return tmp_path


def build(root: Path, *, labeled: bool = True, **kwargs: object) -> CheckedSegDataset:
    """Build a data set over ``root``."""
    prefix = {'img_path': 'img'} | ({'seg_map_path': 'ann'} if labeled else {})
    return CheckedSegDataset(
        serialize_data=False, data_root=str(root), data_prefix=prefix, metainfo=CLASSES, **kwargs
    )


def test_list_gives_its_order_and_blank_lines_are_skipped(root: Path) -> None:
    (root / 'list.txt').write_text('z\n\n x \n')
    dataset = build(root, ann_file='list.txt')
    pairs = [(info['img_path'], info['seg_map_path']) for info in dataset]
    assert pairs == [
        (str(root / 'img/z.jpg'), str(root / 'ann/z.png')),
        (str(root / 'img/x.jpg'), str(root / 'ann/x.png')),
    ]


def test_folder_gives_sorted_images_of_the_suffix_alone(root: Path) -> None:
    (root / 'img' / 'notes.txt').touch()
    (root / 'img' / '._x.jpg').touch()  # left by file managers
    dataset = build(root)
    assert [Path(info['img_path']).name for info in dataset] == ['x.jpg', 'y.jpg', 'z.jpg']


def test_unlabeled_needs_no_mask_folder_and_gives_no_mask_path(root: Path) -> None:
    for mask in (root / 'ann').iterdir():
        mask.unlink()
    (root / 'ann').rmdir()
    dataset = build(root, labeled=False)
    assert len(dataset) == 3
    assert all('seg_map_path' not in info for info in dataset)


def test_missing_images_are_named_with_their_line_and_counted(root: Path) -> None:
    (root / 'list.txt').write_text('x\nq1\ny\nq2\nq3\nq4\n')
    with pytest.raises(FileNotFoundError) as error:
        build(root, ann_file='list.txt', labeled=False)
    text = str(error.value)
    assert '4 of 6 images' in text
    for stem, line in (('q1', 2), ('q2', 4), ('q3', 5)):
        assert f'{root}/img/{stem}.jpg (named in {root}/list.txt, line {line})' in text
    assert 'q4' not in text
    assert "without the suffix '.jpg'" in text


def test_missing_masks_are_named_and_the_way_out_is_said(root: Path) -> None:
    (root / 'ann' / 'y.png').unlink()
    with pytest.raises(FileNotFoundError) as error:
        build(root)
    assert '1 of 3 masks' in str(error.value)
    assert f'{root}/ann/y.png' in str(error.value)
    assert 'leave `seg_map_path` out' in str(error.value)
    assert len(build(root, labeled=False)) == 3


@pytest.mark.parametrize('text', ['', '\n  \n'])
def test_empty_list_is_refused(root: Path, text: str) -> None:
    (root / 'list.txt').write_text(text)
    with pytest.raises(ValueError, match=rf'list {root}/list\.txt .* names no image'):
        build(root, ann_file='list.txt')


def test_missing_list_is_refused(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf'{root}/nothing\.txt .*DTS_DATA_ROOT'):
        build(root, ann_file='nothing.txt')


def test_empty_folder_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=rf'folder {root}/img .*names no image.*\*\.bmp'):
        build(root, img_suffix='.bmp')


def test_missing_folder_is_refused(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf'Folder {root}/other/img'):
        build(root / 'other')


def test_label_settings_reach_every_sample(root: Path) -> None:
    info = build(root, reduce_zero_label=True).get_data_info(0)
    assert info['reduce_zero_label'] is True
    assert info['label_map'] is None
    assert info['seg_fields'] == []
