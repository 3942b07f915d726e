"""Ids and fingerprints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dts.datasets.split_ids import fingerprint, list_folder, normalize_id


@pytest.mark.parametrize(
    ('entry', 'expected'),
    [
        ('2007_000032', '2007_000032'),
        ('2007_000032.jpg', '2007_000032'),
        ('2007_000032.JPG', '2007_000032'),
        ('frame.v2', 'frame.v2'),
        ('JPEGImages/2007_000032.jpg', '2007_000032'),
        ('/JPEGImages/2007_000032.jpg', '2007_000032'),
        ('./JPEGImages\\2007_000032.jpg', '2007_000032'),
        ('/data/me/VOC2012/JPEGImages/2007_000032.jpg', '2007_000032'),
        ('/SegmentationClassAug/2007_000032.png', '2007_000032'),
        ('leftImg8bit/train/aachen/aachen_000033_000019_x.png', 'aachen/aachen_000033_000019_x'),
        ('/images/city_gt_fine/train/jena_000078_000019.png', 'jena_000078_000019'),
        ('images/training/ADE_train_00000001.jpg', 'ADE_train_00000001'),
        ('train2017/000000000009.jpg', '000000000009'),
        ('seq1/train/a.png', 'seq1/train/a'),
        ('train/a', 'train/a'),
    ],
)
def test_normalize_id_of_published_spellings(entry: str, expected: str) -> None:
    assert normalize_id(entry) == expected


def test_folder_and_suffix_override_the_table_of_folders() -> None:
    folder = Path('/data/mine/images')
    assert normalize_id('images/day/a.png', folder) == 'day/a'
    assert normalize_id('mine/images/day/a.png', folder) == 'day/a'
    assert normalize_id('/data/mine/images/day/a.png', folder) == 'day/a'
    assert normalize_id('imagesday/a.png', folder) == 'imagesday/a'
    assert normalize_id('x/a_leftImg8bit.png', suffix='_leftImg8bit.png') == 'x/a'
    assert normalize_id('x/a.png', suffix='_leftImg8bit.png') == 'x/a.png'


def test_list_folder_takes_images_of_all_levels(tmp_path: Path) -> None:
    for name in ('b.png', 'day/a.JPG', 'notes.txt', 'c_mask.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_folder(tmp_path) == {
        'b': tmp_path / 'b.png',
        'c_mask': tmp_path / 'c_mask.png',
        'day/a': tmp_path / 'day/a.JPG',
    }
    assert list(list_folder(tmp_path, '_mask.png')) == ['c']
    (tmp_path / 'day-1.png').touch()
    assert list(list_folder(tmp_path)) == ['b', 'c_mask', 'day-1', 'day/a']


def test_list_folder_refuses_two_files_of_one_id(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').touch()
    (tmp_path / 'a.png').touch()
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png have the same id 'a'"):
        list_folder(tmp_path)
    assert list(list_folder(tmp_path, '.png')) == ['a']


def test_list_folder_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='gone: no such folder'):
        list_folder(tmp_path / 'gone')


def test_fingerprint_is_the_hash_of_the_sorted_lines() -> None:
    assert fingerprint(['b', 'a']) == hashlib.sha256(b'a\nb\n').hexdigest()
    # Uppercase sorts before lowercase, as with LC_ALL=C.
    assert fingerprint(['a', 'B']) == hashlib.sha256(b'B\na\n').hexdigest()
    # The end of an id counts: 'ab' + 'c' is not 'a' + 'bc'.
    assert fingerprint(['ab', 'c']) != fingerprint(['a', 'bc'])
