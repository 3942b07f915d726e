"""Files of the toy city: made on first use, completely or not at all, and checked."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

from dts.datasets import toy_city_files
from dts.datasets.toy_city import ToyCityDataset
from dts.datasets.toy_city_canvas import CLASSES
from dts.datasets.toy_city_files import ToyCitySettings, make_toy_city
from dts.datasets.toy_city_render import render

SMALL = {'num_train': 2, 'num_val': 1, 'height': 32, 'width': 64}


def test_first_use_makes_the_data_set_and_the_second_reads_it(tmp_path: Path) -> None:
    root = tmp_path / 'data' / 'city'
    dataset = toy_city(root, 'street', 'train')
    assert [Path(info['img_path']).name for info in dataset] == ['00000.png', '00001.png']
    image, labels = render('street', (0, 0, 1), SMALL['height'], SMALL['width'])
    info = dataset[1]
    assert (np.asarray(Image.open(info['img_path'])) == image).all()
    assert (np.asarray(Image.open(info['seg_map_path'])) == labels).all()
    assert json.loads((root / 'settings.json').read_text()) == {
        'generator': toy_city_files.GENERATOR_VERSION,
        'seed': 0,
        **SMALL,
    }
    assert [path.name for path in root.parent.iterdir()] == ['city']
    written = root.stat().st_mtime_ns
    assert 'seg_map_path' not in toy_city(root, 'game', 'val', labeled=False)[0]
    assert root.stat().st_mtime_ns == written


def test_a_killed_process_leaves_no_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / 'city'
    leftover = tmp_path / f'{toy_city_files.TEMPORARY_PREFIX}dead'
    (leftover / 'game').mkdir(parents=True)

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(toy_city_files, 'render', fail)
        with pytest.raises(KeyboardInterrupt):
            toy_city(root, 'game', 'train')
    assert [path.name for path in tmp_path.iterdir()] == [leftover.name]
    assert len(toy_city(root, 'game', 'train')) == 2
    assert leftover.exists()  # fresh: it may belong to a living process
    old = time.time() - 2 * toy_city_files.STALE_SECONDS
    for path in (leftover / 'game', leftover):
        os.utime(path, (old, old))
    toy_city_files.remove_stale_folders(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['city']


def test_of_two_processes_at_once_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, settings = tmp_path / 'city', ToyCitySettings(**SMALL)
    write_images = toy_city_files.write_images

    def write_images_late(folder: Path, settings: ToyCitySettings) -> None:
        write_images(folder, settings)
        with monkeypatch.context() as patch:
            patch.setattr(toy_city_files, 'write_images', write_images)
            make_toy_city(root, settings)  # the other process finishes first
        (root / 'mark').touch()

    monkeypatch.setattr(toy_city_files, 'write_images', write_images_late)
    make_toy_city(root, settings)
    assert (root / 'mark').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['city']


def test_the_folder_appears_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, written = tmp_path / 'city', []
    write_images = toy_city_files.write_images

    def write_images_watched(folder: Path, settings: ToyCitySettings) -> None:
        write_images(folder, settings)
        written.append(folder.stat().st_ino)
        assert not root.exists()

    monkeypatch.setattr(toy_city_files, 'write_images', write_images_watched)
    toy_city(root, 'game', 'train')
    assert written == [root.stat().st_ino]  # renamed, not copied


def test_other_settings_are_refused(tmp_path: Path) -> None:
    root = tmp_path / 'city'
    toy_city(root, 'game', 'train')
    with pytest.raises(ValueError, match=r"'seed': 0.*asks for.*'seed': 1.*Remove the folder"):
        toy_city(root, 'game', 'train', settings={**SMALL, 'seed': 1})
    (root / 'settings.json').unlink()
    with pytest.raises(ValueError, match='is no toy city'):
        toy_city(root, 'game', 'train')


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`look` of ToyCityDataset is 'photo', expected one of"):
        toy_city(tmp_path / 'city', 'photo', 'train')
    with pytest.raises(ValueError, match='`num_val` of the toy city is 0, expected at least 1'):
        toy_city(tmp_path / 'city', 'game', 'train', settings={**SMALL, 'num_val': 0})


@pytest.mark.slow
def test_config_pairs_labelled_game_with_unlabelled_street(
    repository: Path, tmp_path: Path
) -> None:
    init_default_scope('mmseg')
    config = Config.fromfile(repository / 'configs/_base_/datasets/toy_city.py')
    streams = config.train_dataloader.dataset.streams
    small = {'num_train': 4, 'num_val': 1}
    for dataset in (*streams.values(), config.val_dataloader.dataset):
        dataset.update(data_root=str(tmp_path / 'city'), settings=small, serialize_data=False)
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    for branch, folder in (('labeled', 'game/train'), ('unlabeled_strong', 'street/train')):
        assert len(batch['inputs'][branch]) == 4
        for image, sample in zip(
            batch['inputs'][branch], batch['data_samples'][branch], strict=True
        ):
            assert folder in sample.img_path
            assert ('gt_sem_seg' in sample) is (branch == 'labeled')
            assert tuple(image.shape[1:]) == config.crop_size
    val = next(iter(Runner.build_dataloader(config.val_dataloader, seed=0)))
    assert 'street/val' in val['data_samples'][0].img_path
    assert config.num_classes == len(CLASSES)


def toy_city(root: Path, look: str, split: str, **kwargs: Any) -> ToyCityDataset:
    """Build a small data set."""
    settings = kwargs.pop('settings', SMALL)
    return ToyCityDataset(
        look, split, data_root=str(root), settings=settings, serialize_data=False, **kwargs
    )
