"""Nuclei: domains, label values, and the streams of the config, on the real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

from dts.datasets.nuclei import NucleiDataset
from dts.datasets.transforms.loading import LoadImage, check_labels


def nuclei(data_root: Path, domain: str, split: str) -> NucleiDataset:
    """Build the labelled images of a domain."""
    return NucleiDataset(
        serialize_data=False,
        data_root=str(data_root / 'nuclei'),
        ann_file=f'splits/domain/{domain}_{split}.txt',
        data_prefix={'img_path': f'img_dir/{split}', 'seg_map_path': f'ann_dir/{split}'},
    )


def test_class_table() -> None:
    assert NucleiDataset.METAINFO['classes'] == ('background', 'nucleus')
    assert NucleiDataset.METAINFO['palette'] == [[0, 0, 0], [220, 20, 60]]


@pytest.mark.parametrize(
    ('domain', 'train', 'test'),
    [('fluo_a', 239, 102), ('fluo_b', 140, 60), ('stain', 75, 32), ('bright', 11, 5)],
)
def test_domains_are_complete(data_root: Path, domain: str, train: int, test: int) -> None:
    assert len(nuclei(data_root, domain, 'train')) == train
    assert len(nuclei(data_root, domain, 'test')) == test


def test_nucleus_is_id_one(data_root: Path) -> None:
    masks = [
        np.asarray(Image.open(i['seg_map_path'])) for i in nuclei(data_root, 'bright', 'train')
    ]
    share = np.mean(np.concatenate([mask.ravel() for mask in masks]) == 1)
    assert share == pytest.approx(0.019, abs=0.01)  # README of the data set, train and test


def test_every_domain_passes_the_start_up_check(data_root: Path) -> None:
    for domain in ('fluo_a', 'fluo_b', 'stain', 'bright'):
        assert check_labels(nuclei(data_root, domain, 'train'), num_samples=5, seed=0) == 5


def test_gray_image_is_replicated(data_root: Path) -> None:
    info = nuclei(data_root, 'bright', 'train').get_data_info(0)
    gray = np.asarray(Image.open(info['img_path']))
    assert gray.ndim == 2
    image = LoadImage()(info)['img']
    assert (image == gray[..., np.newaxis]).all()


def test_streams_are_source_and_target(data_root: Path, repository: Path) -> None:
    init_default_scope('mmseg')
    config = Config.fromfile(repository / 'configs/_base_/datasets/nuclei.py')
    for stream in config.train_dataloader.dataset.streams.values():
        stream.serialize_data = False
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    domains = {
        branch: {Path(sample.img_path).name[:6] for sample in samples}
        for branch, samples in batch['data_samples'].items()
    }
    assert domains == {
        'labeled': {'fluo_a'},
        'unlabeled_weak': {'fluo_b'},
        'unlabeled_strong': {'fluo_b'},
    }
    lists = [config[f'{name}_dataloader'].dataset.ann_file for name in ('val', 'test')]
    assert lists == ['splits/domain/fluo_a_test.txt', 'splits/domain/fluo_b_test.txt']
