"""Lists of all published formats give the same ids."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dts.datasets.split_ids import Folders
from dts.datasets.split_lists import read_list, write_list

WHOLE = ('2007_000032', '2008_000001', '2009_000002', '2010_000003')
IDS = ('2010_000003', '2007_000032', '2008_000001')


def write_pairs(path: Path, slash: str) -> None:
    """Write image and mask paths as UniMatch (no slash) and PS-MT (slash) do."""
    path.write_text(
        ''.join(f'{slash}JPEGImages/{i}.jpg {slash}SegmentationClassAug/{i}.png\n' for i in IDS)
    )


def write_indices(path: Path) -> None:
    """Write positions in the whole list as CutMix-Seg and ClassMix do."""
    path.write_bytes(pickle.dumps(np.array([WHOLE.index(item) for item in IDS])))


WRITERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    'ids': ('ids', 'a.txt', lambda path: write_list(path, IDS)),
    'ids with folder': (
        'ids',
        'a.txt',
        lambda path: path.write_text('\n'.join(f'JPEGImages/{item}.jpg' for item in IDS)),
    ),
    'windows': (
        'ids',
        'a.txt',
        lambda path: path.write_bytes('\r\n'.join(IDS).encode('utf-8-sig')),
    ),
    'pairs': ('pairs', 'a.txt', lambda path: write_pairs(path, '')),
    'pairs with slash': ('pairs', 'a.txt', lambda path: write_pairs(path, '/')),
    'indices': ('indices', 'a.pkl', write_indices),
    'json': ('json', 'a.json', lambda path: path.write_text(json.dumps(IDS))),
    'json pairs': (
        'json',
        'a.json',
        lambda path: path.write_text(json.dumps([[f'{i}.jpg', f'{i}.png'] for i in IDS])),
    ),
    'json object': (
        'json',
        'a.json',
        lambda path: path.write_text(json.dumps({'unlabeled': [], 'labeled': IDS})),
    ),
}


@pytest.mark.parametrize('case', WRITERS)
def test_every_format_gives_the_same_ids_in_file_order(tmp_path: Path, case: str) -> None:
    kind, name, write = WRITERS[case]
    write(tmp_path / name)
    split = read_list(tmp_path / name, whole=WHOLE)
    assert (split.format, split.ids, split.mask_ids) == (kind, IDS, IDS)
    assert (split.blank_lines, split.duplicates) == ((), [])


def test_write_list_writes_one_id_a_line(tmp_path: Path) -> None:
    write_list(tmp_path / 'new' / 'a.txt', ['b', 'a'])
    assert (tmp_path / 'new' / 'a.txt').read_bytes() == b'b\na\n'


def test_pairs_keep_the_mask_of_each_image(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text(
        'leftImg8bit/train/ulm/ulm_1_leftImg8bit.png gtFine/train/ulm/ulm_1_gtFine_labelIds.png\n'
    )
    split = read_list(path)
    assert split.ids == ('ulm/ulm_1_leftImg8bit',)
    assert split.mask_ids == ('ulm/ulm_1_gtFine_labelIds',)
    folders = Folders(img_suffix='_leftImg8bit.png', seg_map_suffix='_gtFine_labelIds.png')
    split = read_list(path, folders)
    assert split.ids == split.mask_ids == ('ulm/ulm_1',)


def test_names_with_spaces_are_ids_unless_both_halves_are_images(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('my image 1\nmy image 2.jpg\n')
    assert read_list(path).ids == ('my image 1', 'my image 2')
    path.write_text('my image 1.jpg my mask 1.png\n')
    assert read_list(path).mask_ids == ('my mask 1',)


def test_blank_lines_and_repeats_are_reported(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('a\n\nb\n  \na.png\n\n')
    split = read_list(path)
    assert split.ids == ('a', 'b', 'a')
    assert split.blank_lines == (2, 4, 6)
    assert split.duplicates == ['a']


def test_empty_file_is_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').touch()
    split = read_list(tmp_path / 'a.txt')
    assert (split.ids, split.blank_lines) == ((), ())


def test_mixed_lines_name_the_first_that_differs(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('a.jpg a.png\n\nb\n')
    with pytest.raises(
        ValueError, match="line 3 is 'b', but the lines before it hold an image and"
    ):
        read_list(path)
    path.write_text('b\na.jpg a.png\n')
    with pytest.raises(ValueError, match=r'line 2 is .* hold one image id each'):
        read_list(path)


def test_indices_need_the_right_whole_list(tmp_path: Path) -> None:
    path = tmp_path / 'a.pkl'
    write_indices(path)
    with pytest.raises(ValueError, match='give the whole list too'):
        read_list(path)
    with pytest.raises(ValueError, match='index 3 is outside the whole list of 3 images'):
        read_list(path, whole=WHOLE[:3])
    path.write_bytes(pickle.dumps([-1]))
    with pytest.raises(ValueError, match='index -1 is outside'):
        read_list(path, whole=WHOLE)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[', 'not valid JSON'),
        ('"a"', 'holds a str, expected a list'),
        ('{"train": []}', r"has the keys \['train'\], expected 'labeled'"),
        ('["a", 7]', 'item 7 is neither'),
        ('["a", ""]', "item '' is neither"),
        ('[["a", "b", "c"]]', 'is neither an id nor'),
    ],
)
def test_bad_json_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_list(path)


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'gone\.txt: no such list file'):
        read_list(tmp_path / 'gone.txt')
    (tmp_path / 'a.txt').write_bytes(b'\x89PNG\xff')
    with pytest.raises(ValueError, match=r'a\.txt: not a text file'):
        read_list(tmp_path / 'a.txt')
