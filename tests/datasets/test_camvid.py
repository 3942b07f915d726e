"""CamVid: class table, lists, and the streams of its config, on the real frames."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

from dts.datasets.camvid import CamVidDataset

# Share of each class in the pixels of the train frames, in percent (README of the data set).
TRAIN_PERCENT = {
    'sky': 16.9,
    'building': 23.3,
    'pole': 1.0,
    'road': 31.7,
    'pavement': 4.5,
    'tree': 9.7,
    'sign': 1.2,
    'fence': 1.1,
    'car': 5.9,
    'pedestrian': 0.6,
    'bicyclist': 0.3,
}


@pytest.fixture
def config(repository: Path) -> Config:
    """The data config of CamVid."""
    init_default_scope('mmseg')
    config = Config.fromfile(repository / 'configs/_base_/datasets/camvid.py')
    for stream in config.train_dataloader.dataset.streams.values():
        stream.serialize_data = False  # MMEngine collects garbage when it serializes: half a second
    return config


def test_class_table() -> None:
    names, palette = CamVidDataset.METAINFO['classes'], CamVidDataset.METAINFO['palette']
    assert names == tuple(TRAIN_PERCENT)
    table = dict(zip(names, palette, strict=True))
    assert table['road'] == [128, 64, 128]
    assert table['bicyclist'] == [0, 128, 192]
    assert len({tuple(color) for color in palette}) == 11


def test_class_weights_follow_their_formula(config: Config) -> None:
    expected = [1 / math.log(1.1 + percent / 100) for percent in TRAIN_PERCENT.values()]
    assert config.class_weight == pytest.approx(expected, abs=0.005)


@pytest.mark.slow
def test_ids_on_disk_have_the_shares_of_their_classes(data_root: Path) -> None:
    dataset = camvid(data_root, ann_file='splits/all/train.txt')
    counts = np.zeros(256, np.int64)
    for info in dataset:
        counts += np.bincount(np.asarray(Image.open(info['seg_map_path'])).ravel(), minlength=256)
    percent = 100 * counts / counts.sum()
    assert percent[:11] == pytest.approx(list(TRAIN_PERCENT.values()), abs=0.06)
    assert counts[11:255].sum() == 0


@pytest.mark.parametrize(('split', 'frames'), [('train', 367), ('val', 101), ('test', 233)])
def test_splits_are_complete(data_root: Path, split: str, frames: int) -> None:
    assert len(camvid(data_root, split, ann_file=f'splits/all/{split}.txt')) == frames
    assert len(camvid(data_root, split)) == frames  # the folder without a list


@pytest.mark.parametrize(('fraction', 'labeled'), [('1_64', 6), ('1_16', 23), ('1_2', 184)])
def test_semi_supervised_lists_divide_the_train_frames(
    data_root: Path, fraction: str, labeled: int
) -> None:
    stems = [
        {
            info['img_path']
            for info in camvid(data_root, ann_file=f'splits/semi/{fraction}/seed1/{name}.txt')
        }
        for name in ('labeled', 'unlabeled')
    ]
    assert [len(part) for part in stems] == [labeled, 367 - labeled]
    assert not stems[0] & stems[1]


def test_loader_draws_four_and_four_and_views_share_their_geometry(
    data_root: Path, config: Config
) -> None:
    without_color(config.train_dataloader)
    loader = Runner.build_dataloader(config.train_dataloader, seed=3)
    batch = next(iter(loader))
    inputs, samples = batch['inputs'], batch['data_samples']
    assert {name: len(views) for name, views in inputs.items()} == {
        'labeled': 4,
        'unlabeled_weak': 4,
        'unlabeled_strong': 4,
    }
    for weak, strong in zip(inputs['unlabeled_weak'], inputs['unlabeled_strong'], strict=True):
        assert (weak == strong).all()
    listed = set((data_root / 'camvid/splits/semi/1_16/seed0/labeled.txt').read_text().split())
    for branch, is_labeled in (('labeled', True), ('unlabeled_weak', False)):
        for sample in samples[branch]:
            assert (Path(sample.img_path).stem in listed) is is_labeled
            assert ('gt_sem_seg' in sample) is is_labeled
            assert sample.img_shape[0] <= 224
            assert sample.img_shape[1] <= 288


@pytest.mark.slow
def test_weak_views_change_brightness_alone_and_strong_views_change_more(
    data_root: Path, config: Config
) -> None:
    colored = first_views(config, num_batches=2)
    without_color(config.train_dataloader)
    plain = first_views(config, num_batches=2)
    pairs = {
        branch: list(zip(plain[branch], views, strict=True)) for branch, views in colored.items()
    }
    for branch in ('labeled', 'unlabeled_weak'):
        # one curve for all pixels and channels: every value goes to a single other value
        assert all(num_curve_values(*pair) == 1 for pair in pairs[branch])
        assert any((before != after).any() for before, after in pairs[branch])
    assert sum(num_curve_values(*pair) > 1 for pair in pairs['unlabeled_strong']) >= 6  # of 8


@pytest.mark.slow
def test_frames_are_scored_whole(data_root: Path, config: Config) -> None:
    loader = Runner.build_dataloader(config.test_dataloader, seed=0)
    assert len(loader) == 233
    batch = next(iter(loader))
    assert tuple(batch['inputs'][0].shape) == (3, 240, 320)
    sample = batch['data_samples'][0]
    path = data_root / 'camvid/ann_dir/test' / f'{Path(sample.img_path).stem}.png'
    assert (sample.gt_sem_seg.data[0].numpy() == np.asarray(Image.open(path))).all()


def camvid(data_root: Path, split: str = 'train', **kwargs: Any) -> CamVidDataset:
    """Build a labelled split."""
    return CamVidDataset(
        serialize_data=False,
        data_root=str(data_root / 'camvid'),
        data_prefix={'img_path': f'img_dir/{split}', 'seg_map_path': f'ann_dir/{split}'},
        **kwargs,
    )


def first_views(config: Config, num_batches: int) -> dict[str, list[np.ndarray]]:
    """Return the first images of every branch as signed integers."""
    views: dict[str, list[np.ndarray]] = {}
    for batch in islice(Runner.build_dataloader(config.train_dataloader, seed=3), num_batches):
        for branch, images in batch['inputs'].items():
            views.setdefault(branch, []).extend(image.numpy().astype(int) for image in images)
    return views


def num_curve_values(before: np.ndarray, after: np.ndarray) -> int:
    """Return the largest number of different values that one value of ``before`` turns into."""
    return max(len(np.unique(after[before == value])) for value in np.unique(before))


def without_color(node: Any) -> None:
    """Set p = 0 in every albumentations transform below a config node, in place."""
    if isinstance(node, dict):
        if node.get('type') == 'dts.Albumentations':
            for transform in node['transforms']:
                transform['p'] = 0.0
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            without_color(child)
