"""A folder of one's own images: suffixes, stems, masks, palette."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from dts.datasets.folder import FolderDataset, default_palette, distinct_palette

IMAGES = ('b.JPG', 'a.jpeg', 'c.PNG', 'd.tif', 'e.bmp', 'sub/a.TIFF')
MASKS = ('a.png', 'b.PNG', 'c.tif', 'd.bmp', 'e.png', 'sub/a.png')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six images of six formats and their masks; no file is read, so all are empty."""
    for folder, names in (('images', IMAGES), ('masks', MASKS)):
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).touch()
    for name in ('readme.txt', '.DS_Store', '._a.jpeg'):
        (tmp_path / 'images' / name).touch()
    return tmp_path


def folder(root: Path, *, labeled: bool = True, **kwargs: Any) -> FolderDataset:
    """Build a data set over ``root``."""
    prefix = {'img_path': 'images'} | ({'seg_map_path': 'masks'} if labeled else {})
    arguments = {'classes': ['x', 'y'], 'serialize_data': False, **kwargs}
    return FolderDataset(data_root=str(root), data_prefix=prefix, **arguments)


def test_all_formats_are_found_and_paired_by_stem(root: Path) -> None:
    pairs = [(info['img_path'], info['seg_map_path']) for info in folder(root)]
    expected = [
        ('a.jpeg', 'a.png'),
        ('b.JPG', 'b.PNG'),
        ('c.PNG', 'c.tif'),
        ('d.tif', 'd.bmp'),
        ('e.bmp', 'e.png'),
        ('sub/a.TIFF', 'sub/a.png'),
    ]
    assert pairs == [(f'{root}/images/{i}', f'{root}/masks/{m}') for i, m in expected]


def test_unlabeled_folder_opens_no_masks(root: Path) -> None:
    (root / 'masks').rename(root / 'hidden')
    dataset = folder(root, labeled=False)
    assert len(dataset) == 6
    assert all('seg_map_path' not in info for info in dataset)


def test_list_takes_stems_and_file_names(root: Path) -> None:
    (root / 'list.txt').write_text('sub/a\nb.JPG\n')
    names = [info['img_path'] for info in folder(root, ann_file='list.txt')]
    assert names == [f'{root}/images/sub/a.TIFF', f'{root}/images/b.JPG']


def test_listed_image_that_is_missing_is_named_with_its_line(root: Path) -> None:
    (root / 'list.txt').write_text('a\nz\n')
    with pytest.raises(
        FileNotFoundError, match=rf'1 of 2 images.*\n.*/z .*{root}/list.txt, line 2'
    ):
        folder(root, ann_file='list.txt')


def test_images_without_masks_are_one_error(root: Path) -> None:
    for name in ('a.png', 'b.PNG', 'd.bmp', 'e.png'):
        (root / 'masks' / name).unlink()
    with pytest.raises(FileNotFoundError) as error:
        folder(root)
    text = str(error.value)
    assert '4 of 6 masks' in text
    assert [f'{root}/masks/{stem}.png' in text for stem in 'abde'] == [True, True, True, False]
    assert 'leave `seg_map_path` out for unlabelled images' in text


def test_jpeg_masks_do_not_count(root: Path) -> None:
    (root / 'masks/e.png').rename(root / 'masks/e.jpg')
    with pytest.raises(FileNotFoundError, match='1 of 6 masks'):
        folder(root)


def test_two_files_of_one_stem_are_refused(root: Path) -> None:
    (root / 'images/a.png').touch()
    with pytest.raises(ValueError, match=r'1 stem\(s\).*a\.jpeg, a\.png'):
        folder(root)


def test_folder_without_images_is_refused(root: Path) -> None:
    for name in IMAGES:
        (root / 'images' / name).unlink()
    with pytest.raises(ValueError, match=rf'folder {root}/images .*names no image.*\.jpeg'):
        folder(root, labeled=False)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'classes': 'car'}, 'must be a list'),
        ({'classes': []}, 'must be a list'),
        ({'classes': [str(k) for k in range(256)]}, '1 to 255'),
        ({'classes': ['car', 'road', 'car']}, 'a name twice'),
        ({'palette': [[0, 0, 0]]}, '1 colors for 2 classes'),
        ({'img_suffix': '.png'}, 'takes no `img_suffix`'),
        ({'metainfo': {}}, 'takes no `metainfo`'),
    ],
)
def test_wrong_settings_are_refused(root: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        folder(root, **arguments)


def test_only_the_background_is_black() -> None:
    colors = distinct_palette(3)
    assert default_palette(['a', 'background', 'b']) == [colors[0], [0, 0, 0], colors[2]]
    assert default_palette(['a', 'b', 'c']) == colors
    assert [0, 0, 0] not in distinct_palette(255)


def test_classes_and_palette_reach_the_metainfo(root: Path) -> None:
    meta = folder(root, palette=[(1, 2, 3), (4, 5, 6)]).metainfo
    assert meta['classes'] == ('x', 'y')
    assert meta['palette'] == [[1, 2, 3], [4, 5, 6]]
    assert folder(root).metainfo['palette'] == default_palette(folder(root).metainfo['classes'])


def test_default_colors_can_be_told_apart() -> None:
    colors = distinct_palette(255)
    assert len({tuple(color) for color in colors}) == 255
    assert all(0 <= channel <= 255 for color in colors for channel in color)
    assert distinct_palette(20) == colors[:20]  # a new class changes no other color
    distances = [np.linalg.norm(np.subtract(a, b)) for a, b in combinations(colors[:20], 2)]
    assert min(distances) > 40


@pytest.mark.slow
def test_config_serves_labeled_and_unlabeled_folders(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for name in (
        'labeled/images/a.png',
        'labeled/images/b.jpg',
        'unlabeled/c.png',
        'val/images/d.png',
    ):
        write(tmp_path / 'my_images' / name, rng.integers(0, 256, (40, 60, 3)))
    for name in ('labeled/masks/a.png', 'labeled/masks/b.png', 'val/masks/d.png'):
        write(tmp_path / 'my_images' / name, rng.integers(0, 2, (40, 60)))
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    init_default_scope('mmseg')
    config = Config.fromfile(repository / 'configs/_base_/datasets/folder.py')
    for stream in config.train_dataloader.dataset.streams.values():
        stream.serialize_data = False
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    paths = {k: {Path(s.img_path).name for s in v} for k, v in batch['data_samples'].items()}
    assert paths == {
        'labeled': {'a.png', 'b.jpg'},
        'unlabeled_weak': {'c.png'},
        'unlabeled_strong': {'c.png'},
    }
    scored = next(iter(Runner.build_dataloader(config.val_dataloader, seed=0)))
    assert tuple(scored['inputs'][0].shape) == (3, 341, 512)  # fitted into 512 x 512
    assert tuple(scored['data_samples'][0].gt_sem_seg.data.shape) == (1, 40, 60)  # as it lies there


def write(path: Path, array: np.ndarray) -> None:
    """Write an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array.astype(np.uint8))
