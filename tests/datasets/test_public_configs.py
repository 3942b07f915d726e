"""The data configs of VOC 2012, Cityscapes, ADE20K and COCO draw batches from their true layout."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

# In a complete package these four come with `dts.all`.
import dts.datasets.ade20k
import dts.datasets.cityscapes
import dts.datasets.coco_semi
import dts.datasets.voc2012  # noqa: F401
from small_trees import (
    coco_categories,
    make_ade20k,
    make_cityscapes,
    make_coco,
    make_voc2012,
    voc_labels,
)

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/dataset_converters'))

import cityscapes
import coco_semi


def make_converted_cityscapes(root: Path) -> Path:
    """Cityscapes with train ids."""
    folder = make_cityscapes(root)
    cityscapes.main([str(folder), '--num-workers', '1', '--partial'])
    return folder


def make_converted_coco(root: Path) -> Path:
    """COCO with masks."""
    folder = make_coco(root, coco_categories())
    coco_semi.main([str(folder), '--num-workers', '1', '--partial'])
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    'voc2012': make_voc2012,
    'voc2012_513': make_voc2012,
    'cityscapes': make_converted_cityscapes,
    'cityscapes_769': make_converted_cityscapes,
    'ade20k': make_ade20k,
    'coco_semi': make_converted_coco,
}
# Classes, crop, long side that images of 48x32 are resized to at least and at most.
FACTS = {
    'voc2012': (21, 321, (250, 1000)),
    'voc2012_513': (21, 513, (250, 1000)),
    'cityscapes': (19, 801, (768, 3072)),
    'cityscapes_769': (19, 769, (768, 3072)),
    'ade20k': (150, 512, (384, 1536)),
    'coco_semi': (81, 513, (320, 1280)),
}


def read_config(repository: Path, name: str) -> Config:
    """Read a data config for one process."""
    path = repository / 'configs/_base_/datasets' / f'{name}.py'
    config = Config.fromfile(path, format_python_code=False)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
    streams = config.train_dataloader.dataset.streams.values()
    for dataset in (*streams, config.val_dataloader.dataset, config.test_dataloader.dataset):
        dataset.serialize_data = False  # serializing collects garbage: half a second
    return config


@pytest.mark.parametrize('name', MAKERS)
def test_batch_of_both_streams(
    name: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    root = MAKERS[name](tmp_path)
    config = read_config(repository, name)
    assert config.data_root == str(root)
    streams = config.train_dataloader.dataset.streams
    remove_unlabeled_masks(root, streams)
    num_classes, crop, long_sides = FACTS[name]
    assert config.crop_size == (crop, crop)
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=3)))
    assert {branch: len(views) for branch, views in batch['inputs'].items()} == {
        'labeled': 2,
        'unlabeled_weak': 2,
        'unlabeled_strong': 2,
    }
    listed = set(Path(root, streams.labeled.ann_file).read_text().split())
    for branch, samples in batch['data_samples'].items():
        for image, sample in zip(batch['inputs'][branch], samples, strict=True):
            assert image.dtype == torch.uint8
            assert max(image.shape[1:]) <= crop
            assert any(stem in sample.img_path for stem in listed) is (branch == 'labeled')
            assert ('gt_sem_seg' in sample) is (branch == 'labeled')
            resized = sample.ori_shape[1] * sample.scale_factor[0]
            assert long_sides[0] - 1 <= resized <= long_sides[1] + 1
    for sample in batch['data_samples']['labeled']:
        values = set(np.unique(sample.gt_sem_seg.data))
        assert values <= {*range(num_classes), 255}
        assert values - {255}
    weak, strong = (batch['data_samples'][f'unlabeled_{view}'] for view in ('weak', 'strong'))
    for one, other in zip(weak, strong, strict=True):
        assert one.img_path == other.img_path
        assert one.img_shape == other.img_shape
        assert one.get('flip') == other.get('flip')


def remove_unlabeled_masks(root: Path, streams: Config) -> None:
    """Delete every mask that is not in the labelled list: none may be missed."""
    masks = streams.labeled.data_prefix.seg_map_path
    assert 'seg_map_path' not in streams.unlabeled.data_prefix
    labeled = Path(root, streams.labeled.ann_file).read_text().split()
    for path in list((root / masks).rglob('*.png')):
        if not any(stem in str(path) for stem in labeled):
            path.unlink()


@pytest.mark.parametrize('name', MAKERS)
def test_class_count_is_that_of_the_data_set(name: str, repository: Path) -> None:
    from dts.registry import DATASETS

    config = read_config(repository, name)
    cls = DATASETS.get(config.dataset_type)
    assert config.num_classes == len(cls.METAINFO['classes']) == FACTS[name][0]


@pytest.mark.parametrize('name', MAKERS)
def test_images_are_scored_at_the_size_of_their_labels(
    name: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    root = MAKERS[name](tmp_path)
    for folder in ('splits', 'JPEGImages/2008_000002.jpg'):  # scoring needs no training file
        path = root / folder
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    config = read_config(repository, name)
    loader = Runner.build_dataloader(config.test_dataloader, seed=0)
    assert len(loader) == (2 if name.startswith('voc') else 1)
    batch = next(iter(loader))
    assert tuple(batch['inputs'][0].shape) == (3, 32, 48)
    sample = batch['data_samples'][0]
    labels = sample.gt_sem_seg.data[0].numpy()
    if name.startswith('voc'):
        assert (labels == voc_labels()).all()
    elif name == 'ade20k':
        assert labels[0, 0] == 255
        assert labels[31, 0] == 149
    else:
        assert (labels == np.asarray(Image.open(sample.seg_map_path))).all()


def test_weak_view_is_geometry_only(repository: Path) -> None:
    for name in MAKERS:
        streams = read_config(repository, name).train_dataloader.dataset.streams
        branches = {**streams.labeled.pipeline[-1].branches}
        branches |= streams.unlabeled.pipeline[-1].branches
        assert [step.type for step in branches['labeled']] == ['PackSegInputs']
        assert [step.type for step in branches['unlabeled_weak']] == ['PackSegInputs']
        jitter, gray, blur = branches['unlabeled_strong'][0].transforms
        assert (jitter.p, gray.p, blur.p) == (0.8, 0.2, 0.5)
        strength = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
        assert strength == (0.5, 0.5, 0.5, 0.25)
        crop = streams.unlabeled.pipeline[2]
        assert (crop.type, crop.cat_max_ratio) == ('RandomCrop', 1.0)
