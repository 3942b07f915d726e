"""The data configs that use all labels draw labelled batches alone, from every image of train."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from coco_stuff_trees import STUFF10K, make_coco_stuff10k, make_coco_stuff164k, three_rows
from dts.registry import DATASETS
from small_trees import (
    ADE,
    CITIES,
    COCO,
    SBD_ONLY,
    VOC_TRAIN,
    make_ade20k,
    make_cityscapes,
    make_voc2012,
)

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/dataset_converters'))

import cityscapes


def make_converted_cityscapes(root: Path) -> Path:
    folder = make_cityscapes(root)
    cityscapes.main([str(folder), '--num-workers', '1', '--partial'])
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    'cityscapes_labeled': make_converted_cityscapes,
    'ade20k_labeled': make_ade20k,
    'voc2012_labeled': make_voc2012,
    'coco_stuff10k': lambda root: make_coco_stuff10k(root, with_masks=True),
    'coco_stuff164k': lambda root: make_coco_stuff164k(root, with_masks=True),
}
# Classes, crop, long side that images of 48x32 are resized to at least and at most, train stems.
FACTS = {
    'cityscapes_labeled': (19, (512, 1024), (768, 3072), CITIES['train']),
    'ade20k_labeled': (150, (512, 512), (384, 1536), ADE['training']),
    'voc2012_labeled': (21, (512, 512), (250, 1000), (*VOC_TRAIN, *SBD_ONLY)),
    'coco_stuff10k': (171, (512, 512), (384, 1536), STUFF10K['train']),
    'coco_stuff164k': (171, (512, 512), (384, 1536), COCO['train2017']),
}


@pytest.mark.parametrize('name', MAKERS)
def test_batches_and_scored_images(
    name: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    root = MAKERS[name](tmp_path)
    for path in root.glob('splits/*/*/*.txt'):  # no list of a semi-supervised protocol is read
        path.unlink()
    path = repository / 'configs/_base_/datasets' / f'{name}.py'
    config = Config.fromfile(path, format_python_code=False)
    num_classes, crop, long_sides, stems = FACTS[name]
    classes = DATASETS.get(config.dataset_type).METAINFO['classes']
    assert (config.num_classes, len(classes)) == (num_classes, num_classes)
    assert (config.crop_size, config.evaluation) == (crop, {'mode': 'whole'})

    train, test = config.train_dataloader, config.test_dataloader
    assert config.val_dataloader == test
    for loader in (train, test):
        loader.num_workers, loader.persistent_workers = 0, False
    for dataset in (*train.dataset.streams.values(), test.dataset):
        dataset.serialize_data = False  # serializing collects garbage: half a second

    built = Runner.build_dataloader(train, seed=3)
    stream = built.dataset.streams['labeled']
    found = [stream.get_data_info(index)['img_path'] for index in range(len(stream))]
    assert all(stem in path for stem, path in zip(sorted(stems), sorted(found), strict=True))
    batch = next(iter(built))
    assert {branch: len(images) for branch, images in batch['inputs'].items()} == {'labeled': 4}
    for image, sample in zip(
        batch['inputs']['labeled'], batch['data_samples']['labeled'], strict=True
    ):
        assert all(side <= limit for side, limit in zip(image.shape[1:], crop, strict=True))
        resized = sample.ori_shape[1] * sample.scale_factor[0]
        assert long_sides[0] - 1 <= resized <= long_sides[1] + 1
        values = set(np.unique(sample.gt_sem_seg.data))
        assert values - {255}
        assert values <= {*range(num_classes), 255}

    scored = next(iter(Runner.build_dataloader(test, seed=0)))
    assert tuple(scored['inputs'][0].shape) == (3, 32, 48)
    if name.startswith('coco'):
        labels = scored['data_samples'][0].gt_sem_seg.data[0].numpy()
        assert (labels == three_rows(255, 0, 170)).all()
    assert not any(stem in scored['data_samples'][0].img_path for stem in stems)
