"""Weights that come with the package: small, described, and as good as their card says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from mmcv import imread
from mmseg.apis import inference_model
from torch import nn

import dts.zoo
from dts.datasets.toy_city import ToyCityDataset
from dts.zoo.index import read_index
from dts.zoo.store import SHIPPED

FILES = sorted(SHIPPED.glob('*.safetensors'))


def test_files_are_small() -> None:
    sizes = [file.stat().st_size for file in FILES]
    assert sizes
    assert max(sizes) < 8_000_000
    assert sum(sizes) < 16_000_000


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.stem)
def test_a_file_has_an_entry_and_a_card(file: Path) -> None:
    (entry,) = [e for e in read_index().values() if e.files[0].name == file.name]
    card = file.with_suffix('.md').read_text()
    assert entry.files[0].sha256 in card
    assert 'Trained by' in card
    assert 'mIoU' in card


def mean_iou(model: nn.Module, images: Iterable[tuple[str, str]], num_classes: int) -> float:
    """mIoU in per cent over files of images and labels."""
    overlap, union = np.zeros(num_classes), np.zeros(num_classes)
    for image, label in images:
        labels = imread(label, 'unchanged')
        found = inference_model(model, image).pred_sem_seg.data[0].numpy()
        found = np.where(labels == 255, 255, found)
        for index in range(num_classes):
            overlap[index] += ((found == index) & (labels == index)).sum()
            union[index] += ((found == index) | (labels == index)).sum()
    return float(100 * (overlap / union).mean())


@pytest.mark.slow
def test_the_toy_city_model_knows_the_street(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_ZOO', str(tmp_path / 'empty'))
    model = dts.zoo.load('dts-dacs_fpn_lite0_toy-city')
    settings = dict(num_train=1, num_val=6)
    dataset = ToyCityDataset('street', 'val', data_root=str(tmp_path / 'city'), settings=settings)
    files = [(sample['img_path'], sample['seg_map_path']) for sample in dataset.load_data_list()]
    # 66.4 on the 100 images of the card; source-only training gives 47.
    assert mean_iou(model, files, num_classes=8) > 55


@pytest.mark.slow
def test_the_nuclei_model_finds_nuclei_of_other_microscopes(data_root: Path) -> None:
    model = dts.zoo.load('supervised_fpn_lite0_nuclei')
    nuclei = data_root / 'nuclei'
    names = (nuclei / 'splits/domain/fluo_b_test.txt').read_text().split()
    files = [
        (str(nuclei / f'img_dir/test/{name}.png'), str(nuclei / f'ann_dir/test/{name}.png'))
        for name in names
    ]
    # The 60 images of the card, in full precision.
    assert mean_iou(model, files, num_classes=2) == pytest.approx(89.52, abs=0.05)
