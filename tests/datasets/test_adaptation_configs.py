"""The data configs of domain adaptation: batches, published sizes, and targets without labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.runner import Runner

# In a complete package these come with `dts.all`.
import dts.datasets.acdc
import dts.datasets.dark_zurich
import dts.datasets.gta5
import dts.datasets.synthia
import dts.datasets.transforms.margins
import dts.datasets.transforms.rare_class_crop  # noqa: F401
from dts.datasets.transforms import loading
from dts.registry import DATASETS, METRICS
from small_trees import (
    SIZE,
    make_acdc,
    make_cityscapes,
    make_dark_zurich,
    make_gta5,
    make_synthia,
    write_image,
)

MAKERS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Path]]] = {
    'uda_gta_to_cityscapes': (make_gta5, make_cityscapes),
    'uda_synthia_to_cityscapes': (make_synthia, make_cityscapes),
    'uda_cityscapes_to_acdc': (make_cityscapes, make_acdc),
    'uda_cityscapes_to_darkzurich': (make_cityscapes, make_dark_zurich),
}
PUBLIC = [f'{name}_{crop}' for name in MAKERS for crop in (512, 1024)]
SHIFTS = ('camvid_day_to_dusk', 'camvid_dusk_to_day', 'nuclei_fluo_a_to_fluo_b')
LOADERS = ('val_dataloader', 'test_dataloader', 'submit_dataloader', 'source_test_dataloader')
# Width and height of the images of a data set, and after the resize of crop 512 and 1024.
SIZES = {
    'dts.GTA5Dataset': ((1914, 1052), (1280, 704), (2560, 1407)),
    'dts.SynthiaDataset': ((1280, 760), (1280, 760), (2560, 1520)),
    'dts.CityscapesDataset': ((2048, 1024), (1024, 512), (2048, 1024)),
    'dts.ACDCDataset': ((1920, 1080), (960, 540), (1920, 1080)),
    'dts.DarkZurichDataset': ((1920, 1080), (960, 540), (1920, 1080)),
}


def read_config(repository: Path, name: str) -> Config:
    """Read a data config for one process and small images."""
    path = repository / 'configs/_base_/datasets' / f'{name}.py'
    config = Config.fromfile(path, format_python_code=False)
    loaders = [config[key] for key in LOADERS if key in config]
    for loader in (config.train_dataloader, *loaders):
        loader.num_workers, loader.persistent_workers = 0, False
    streams = config.train_dataloader.dataset.streams.values()
    for dataset in (*streams, *(loader.dataset for loader in loaders)):
        dataset.serialize_data = False  # serializing collects garbage: half a second
    rare_class = config.train_dataloader.sampler.get('rare_class')
    if rare_class:
        rare_class.source.min_pixels = 0  # the small images show most classes in one pixel
    return config


def make_margins_small(config: Config) -> None:
    """Fit the margins to images of 48x32."""
    for step in config.train_dataloader.dataset.streams.target.pipeline:
        if step.type == 'dts.MarkMargins':
            step.update(top=1, bottom=7, left=1, right=1)


@pytest.fixture
def public(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Path:
    """Folder of the small trees of the config that the test is of."""
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    name = request.node.callspec.params['name']
    for make in MAKERS[name.rpartition('_')[0]]:
        root = make(tmp_path)
    if root.name == 'cityscapes':
        write_image(root / 'leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png')
    return tmp_path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Label files that were opened."""
    paths: list[str] = []
    plain = loading.read_complete

    def watched(path: str, backend_args: Any, kind: str) -> bytes:
        paths.extend([path] if kind == 'Mask' else [])
        return plain(path, backend_args, kind)

    monkeypatch.setattr(loading, 'read_complete', watched)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize('name', PUBLIC)
def test_trap_21_batch_of_two_streams_without_a_label_of_the_target(
    name: str, public: Path, repository: Path, opened: list[str]
) -> None:
    config = read_config(repository, name)
    crop = int(name.rpartition('_')[2])
    make_margins_small(config)
    streams = config.train_dataloader.dataset.streams
    assert list(streams) == ['source', 'target']
    target_root = Path(streams.target.data_root)
    for folder in ('gt', 'gtFine'):
        shutil.rmtree(target_root / folder, ignore_errors=True)
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=3)))
    assert {branch: len(views) for branch, views in batch['inputs'].items()} == {
        'source': 2,
        'target': 2,
    }
    for images in batch['inputs'].values():
        assert {tuple(image.shape) for image in images} == {(3, crop, crop)}
    assert opened
    assert not [path for path in opened if target_root in Path(path).parents]
    for sample in batch['data_samples']['source']:
        assert set(np.unique(sample.gt_sem_seg.data)) <= {*range(19), 255}
        assert 'margin_map' not in sample
    for sample in batch['data_samples']['target']:
        assert 'gt_sem_seg' not in sample
        assert ('margin_map' in sample) is name.startswith(('uda_gta', 'uda_synthia'))
    assert config.crop_size == (crop, crop)
    assert config.num_classes == 19


@pytest.mark.parametrize('name', PUBLIC)
def test_images_have_the_published_sizes(name: str, repository: Path) -> None:
    config = read_config(repository, name)
    index = 1 if name.endswith('512') else 2
    datasets = [*config.train_dataloader.dataset.streams.values(), config.test_dataloader.dataset]
    for dataset in (*datasets, config.submit_dataloader.dataset):
        (resize,) = [step for step in dataset.pipeline if step.type == 'Resize']
        size, *expected = SIZES[dataset.type]
        image = np.zeros((size[1], size[0], 3), np.uint8)
        shape = Compose([dict(resize)])(dict(img=image))['img'].shape[:2]
        assert shape[::-1] == expected[index - 1]
    source, target = (config.train_dataloader.dataset.streams[s] for s in ('source', 'target'))
    ratios = {
        key: [s.cat_max_ratio for s in stream.pipeline if 'Crop' in s.type]
        for key, stream in (('source', source), ('target', target))
    }
    assert ratios == {'source': [0.75], 'target': [1.0]}
    assert config.tta_pipeline[1].transforms[0][1].scale == config.target_scale
    assert config.test_pipeline[1].scale == config.target_scale
    assert config.evaluation.mode == ('whole' if index == 1 else 'slide')


@pytest.mark.parametrize('name', PUBLIC)
def test_margins_are_those_of_cityscapes_targets(name: str, repository: Path) -> None:
    pipeline = read_config(repository, name).train_dataloader.dataset.streams.target.pipeline
    marks = [step for step in pipeline if step.type == 'dts.MarkMargins']
    if 'to_cityscapes' not in name:
        assert not marks
        return
    image = np.zeros((1024, 2048, 3), np.uint8)
    steps = Compose([dict(step) for step in pipeline[1:3]])
    margin_map = steps(dict(img=image))['margin_map']
    expected = np.ones(margin_map.shape)
    if name.endswith('512'):
        expected[15:-120] = 0
    else:
        expected[30:-240, 30:-30] = 0
    assert (margin_map == expected).all()


@pytest.mark.parametrize('name', PUBLIC)
def test_evaluation_and_test_server(name: str, public: Path, repository: Path) -> None:
    config = read_config(repository, name)
    assert config.val_dataloader == config.test_dataloader
    loader = Runner.build_dataloader(config.test_dataloader, seed=0)
    assert len(loader) == (4 if 'acdc' in name else 1)
    batch = next(iter(loader))
    sample = batch['data_samples'][0]
    assert sample.gt_sem_seg.shape == sample.ori_shape == SIZE
    assert max(batch['inputs'][0].shape) > max(SIZE)  # scored at the size of the file
    loader = Runner.build_dataloader(config.submit_dataloader, seed=0)
    assert len(loader) == (4 if 'acdc' in name else 1)
    sample = next(iter(loader))['data_samples'][0]
    assert 'gt_sem_seg' not in sample
    assert '/test/' in sample.img_path


@pytest.mark.parametrize('name', PUBLIC)
def test_synthia_reports_16_and_13_classes(name: str, repository: Path) -> None:
    config = read_config(repository, name)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        metric = METRICS.build(evaluator)
        if 'synthia' not in name:
            assert not metric.subsets
            continue
        classes = DATASETS.get('dts.SynthiaDataset').METAINFO['classes']
        ids = {key: {classes.index(c) for c in names} for key, names in metric.subsets.items()}
        assert ids == {
            'mIoU16': set(range(19)) - {9, 14, 16},
            'mIoU13': set(range(19)) - {9, 14, 16, 3, 4, 5},
        }


def test_trap_23_two_streams_are_as_long_as_their_lists(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    make_gta5(tmp_path), make_cityscapes(tmp_path)
    config = read_config(repository, 'uda_gta_to_cityscapes_512')
    loader = Runner.build_dataloader(config.train_dataloader, seed=0)
    assert loader.sampler.lengths == {'source': 3, 'target': 3}
    assert len(loader.dataset) == 3 + 3


def all_files(config: Config) -> dict[str, set[str]]:
    """Image files of every set of a config, as names."""
    sets = {
        **config.train_dataloader.dataset.streams,
        **{key: config[key].dataset for key in LOADERS if key in config},
    }
    files = {}
    for key, dataset in sets.items():
        built = DATASETS.build(dataset)
        files[key] = {Path(built.get_data_info(i)['img_path']).stem for i in range(len(built))}
    return files


@pytest.mark.parametrize('name', SHIFTS)
def test_shifts_at_cpu_scale(
    name: str, data_root: Path, repository: Path, opened: list[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv('DTS_DATA_ROOT', str(data_root))
    config = read_config(repository, name)
    files = all_files(config)
    expected = {
        'camvid_day_to_dusk': [305, 62, 101, 62, 171],
        'camvid_dusk_to_day': [62, 305, 62, 171, 62],
        'nuclei_fluo_a_to_fluo_b': [239, 140, 102, 60, 102],
    }
    keys = ['source', 'target', 'val_dataloader', 'test_dataloader', 'source_test_dataloader']
    assert [len(files[key]) for key in keys] == expected[name]
    assert not files['source'] & files['target']
    for train in ('source', 'target'):
        assert not files[train] & (files['test_dataloader'] | files['source_test_dataloader'])
    if name.startswith('camvid'):  # dusk is the sequence 0001TP
        for key, is_dusk in (('source', 'dusk_to' in name), ('target', 'to_dusk' in name)):
            assert all(stem.startswith('0001TP') is is_dusk for stem in files[key])
    check_batch(config, opened)


@pytest.mark.slow
def test_toy_city_shift(tmp_path: Path, repository: Path, opened: list[str]) -> None:
    config = read_config(repository, 'toy_city_game_to_street')
    settings = dict(num_train=4, num_val=2, height=64, width=96)
    streams = config.train_dataloader.dataset.streams
    for dataset in (*streams.values(), *(config[key].dataset for key in LOADERS if key in config)):
        dataset.data_root, dataset.settings = str(tmp_path / 'city'), settings
    for stream in streams.values():
        stream.pipeline[-3].crop_size = (32, 48)
    config.crop_size = (32, 48)
    looks = {key: (streams[key].look, streams[key].get('labeled', True)) for key in streams}
    assert looks == {'source': ('game', True), 'target': ('street', False)}
    assert config.test_dataloader.dataset.look == 'street'
    assert config.source_test_dataloader.dataset.look == 'game'
    assert [len(stems) for stems in all_files(config).values()] == [4, 4, 2, 2, 2]
    check_batch(config, opened)
    # Counts beside the images do not make the folder another one.
    config.train_dataloader.sampler.rare_class = dict(source=dict(min_pixels=0))
    Runner.build_dataloader(config.train_dataloader, seed=3)
    assert list((tmp_path / 'city').glob('class_counts_*.json'))
    Runner.build_dataloader(config.train_dataloader, seed=3)


def check_batch(config: Config, opened: list[str]) -> None:
    """Draw a batch: no padding, labels of the source alone, and the target from its own files."""
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=3)))
    assert {branch: len(views) for branch, views in batch['inputs'].items()} == {
        'source': 4,
        'target': 4,
    }
    for branch, images in batch['inputs'].items():
        assert {tuple(image.shape[1:]) for image in images} == {tuple(config.crop_size)}
        for sample in batch['data_samples'][branch]:
            assert ('gt_sem_seg' in sample) is (branch == 'source')
    sources = {Path(sample.seg_map_path).stem for sample in batch['data_samples']['source']}
    assert {Path(path).stem for path in opened} == sources
    classes = DATASETS.get(config.train_dataloader.dataset.streams.source.type).METAINFO['classes']
    assert config.num_classes == len(classes)


@pytest.mark.parametrize('name', [*SHIFTS, 'toy_city_game_to_street'])
def test_source_only_runs_get_the_colours_of_mixed_images(name: str, repository: Path) -> None:
    config = read_config(repository, name)
    branches = config.source_only_branches
    assert list(branches) == ['labeled']
    color, pack = branches.labeled
    jitter, blur = color.transforms
    strength = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue, jitter.p)
    assert strength == (0.2, 0.2, 0.2, 0.2, 0.8)
    assert (tuple(blur.sigma_limit), blur.p) == ((0.15, 1.15), 0.5)
    assert pack.type == 'PackSegInputs'
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert Compose([dict(color)])(dict(img=image))['img'].shape == image.shape


def test_rare_class_settings_of_camvid_draw_every_class(data_root: Path, repository: Path) -> None:
    config = read_config(repository, 'camvid_day_to_dusk')
    streams = config.train_dataloader.dataset.streams
    dataset = DATASETS.build(streams.source)
    counts = np.stack(
        [
            np.bincount(mmcv.imread(info['seg_map_path'], 'unchanged').ravel(), minlength=256)[:11]
            for info in (dataset.get_data_info(i) for i in range(len(dataset)))
        ]
    )
    assert ((counts > config.rare_class.source.min_pixels).sum(axis=0) > 5).all()
