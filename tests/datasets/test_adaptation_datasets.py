"""GTA5, SYNTHIA, Cityscapes, ACDC and Dark Zurich as published: raw ids become classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import pytest
from PIL import Image

from dts.datasets.acdc import ACDCDataset
from dts.datasets.checked import CheckedSegDataset
from dts.datasets.cityscapes import CityscapesDataset
from dts.datasets.dark_zurich import DarkZurichDataset
from dts.datasets.gta5 import GTA5Dataset
from dts.datasets.synthia import SynthiaDataset
from dts.datasets.transforms.loading import LoadImage, LoadLabels, check_labels
from small_trees import (
    ACDC,
    CITIES,
    CONDITIONS,
    DARK_ZURICH,
    GTA5,
    SIZE,
    SYNTHIA,
    all_ids,
    make_acdc,
    make_cityscapes,
    make_dark_zurich,
    make_gta5,
    make_synthia,
    write_16_bit_labels,
    write_labels,
)

# Id in the files -> class, by name: labels.py of cityscapesScripts, README of SYNTHIA.
CITYSCAPES_IDS = {
    7: 'road', 8: 'sidewalk', 11: 'building', 12: 'wall', 13: 'fence', 17: 'pole',
    19: 'traffic light', 20: 'traffic sign', 21: 'vegetation', 22: 'terrain', 23: 'sky',
    24: 'person', 25: 'rider', 26: 'car', 27: 'truck', 28: 'bus', 31: 'train', 32: 'motorcycle',
    33: 'bicycle',
}  # fmt: skip
SYNTHIA_IDS = {
    1: 'sky', 2: 'building', 3: 'road', 4: 'sidewalk', 5: 'fence', 6: 'vegetation', 7: 'pole',
    8: 'car', 9: 'traffic sign', 10: 'person', 11: 'bicycle', 12: 'motorcycle',
    15: 'traffic light', 17: 'rider', 19: 'bus', 21: 'wall',
}  # fmt: skip
TREES: dict[str, tuple[Any, ...]] = {
    'gta5': (GTA5Dataset, make_gta5, 'images', 'labels', {}),
    'synthia': (SynthiaDataset, make_synthia, 'RGB', 'GT/LABELS', {}),
    'cityscapes': (
        CityscapesDataset,
        make_cityscapes,
        'leftImg8bit/train',
        'gtFine/train',
        {'seg_map_suffix': '_gtFine_labelIds.png'},
    ),
    'acdc': (
        ACDCDataset,
        make_acdc,
        'rgb_anon',
        'gt',
        {'split': 'train', 'seg_map_suffix': '_gt_labelIds.png'},
    ),
    'dark_zurich': (
        DarkZurichDataset,
        make_dark_zurich,
        'rgb_anon/val/night',
        'gt/val/night',
        {'seg_map_suffix': '_gt_labelIds.png'},
    ),
}


def build(name: str, root: Path, **changes: Any) -> CheckedSegDataset:
    """Make the tree and the data set on it."""
    cls, make, images, masks, kwargs = TREES[name]
    prefix = {'img_path': images, 'seg_map_path': masks}
    arguments = {'data_prefix': prefix, 'serialize_data': False, **kwargs, **changes}
    return cls(data_root=str(make(root)), **arguments)


def load(dataset: CheckedSegDataset, index: int = 0) -> np.ndarray:
    """Load the labels of a sample as training does, with the check of their range."""
    info = dataset.get_data_info(index)
    info['num_classes'] = len(dataset.metainfo['classes'])
    return LoadLabels()(LoadImage()(info))['gt_seg_map']


@pytest.mark.parametrize('name', TREES)
def test_trap_19_every_raw_id_becomes_its_class_when_it_is_read(name: str, tmp_path: Path) -> None:
    dataset = build(name, tmp_path)
    names = SYNTHIA_IDS if name == 'synthia' else CITYSCAPES_IDS
    num_ids = {'synthia': 23, 'gta5': 35}.get(name, 34)
    classes = list(CityscapesDataset.METAINFO['classes'])
    assert dataset.metainfo['classes'] == tuple(classes)
    expected = [classes.index(names[i]) if i in names else 255 for i in range(num_ids)]
    labels = load(dataset)
    assert labels.dtype == np.uint8
    assert labels[0, :num_ids].tolist() == expected
    assert (labels[1:, 24:] == classes.index('car')).all()
    assert (labels[1:, :24] == 255).all()
    assert check_labels(dataset, 10, 0) == len(dataset)


def test_stems_of_the_published_trees(tmp_path: Path) -> None:
    for name, stems, suffix in (
        ('gta5', GTA5, '.png'),
        ('synthia', SYNTHIA, '.png'),
        ('dark_zurich', DARK_ZURICH['val'], '_rgb_anon.png'),
        (
            'acdc',
            [f'{name}/train/{stem}' for name in CONDITIONS for stem in ACDC['train']],
            '_rgb_anon.png',
        ),
    ):
        dataset = build(name, tmp_path / name)
        start = f'{dataset.image_dir}/'
        found = [info['img_path'].removeprefix(start).removesuffix(suffix) for info in dataset]
        assert found == list(stems)


def test_gta5_palette_images_and_id_images_are_the_same(tmp_path: Path) -> None:
    dataset = build('gta5', tmp_path)
    path = Path(dataset.get_data_info(0)['seg_map_path'])
    assert Image.open(path).mode == 'P'
    palette_labels = load(dataset)
    write_labels(path, all_ids(35))
    assert Image.open(path).mode == 'L'
    assert (load(dataset) == palette_labels).all()
    Image.open(path).convert('RGB').save(path)
    with pytest.raises(ValueError, match=r'00001\.png has 3 channels'):
        load(dataset)


def test_trap_16_synthia_labels_are_16_bit_with_the_class_in_the_last_channel(
    tmp_path: Path,
) -> None:
    dataset = build('synthia', tmp_path)
    path = dataset.get_data_info(0)['seg_map_path']
    stored = mmcv.imread(path, 'unchanged')
    assert (stored.dtype, stored.shape) == (np.uint16, (*SIZE, 3))
    assert stored[..., 1].max() > 255  # instances do not fit into 8 bits
    pillow = np.asarray(Image.open(path))
    assert pillow[..., 0].max() == 0  # Pillow cuts to the upper 8 bits: every class is void
    assert set(np.unique(load(dataset))) == {*range(19), 255} - {9, 14, 16}


@pytest.mark.parametrize(
    ('name', 'labels', 'message'),
    [
        ('gta5', np.full(SIZE, 255), r'00001\.png holds the id 255, expected 0\.\.34.*palette'),
        ('cityscapes', np.full(SIZE, 34), r'holds the id 34, expected 0\.\.33.*labelTrainIds'),
        ('synthia', np.zeros((*SIZE, 3)), r'0000000\.png has uint8 pixels.* not GT/COLOR'),
        ('synthia', np.zeros(SIZE), r'uint8 pixels and shape \(32, 48\)'),
    ],
)
def test_foreign_label_files_are_named(
    name: str, labels: np.ndarray, message: str, tmp_path: Path
) -> None:
    dataset = build(name, tmp_path)
    write_labels(Path(dataset.get_data_info(0)['seg_map_path']), labels)
    with pytest.raises(ValueError, match=message):
        load(dataset)


def test_synthia_id_out_of_range(tmp_path: Path) -> None:
    dataset = build('synthia', tmp_path)
    path = Path(dataset.get_data_info(0)['seg_map_path'])
    write_16_bit_labels(path, np.full(SIZE, 23))
    with pytest.raises(ValueError, match=r'holds the id 23, expected 0\.\.22.*GT/LABELS'):
        load(dataset)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r'0000000\.png is truncated'):
        load(dataset)


@pytest.mark.parametrize('name', ['gta5', 'synthia'])
def test_converted_copies_are_read_as_train_ids(name: str, tmp_path: Path) -> None:
    root = TREES[name][1](tmp_path)
    labels = np.full(SIZE, 255)
    labels[:, :19] = np.arange(19)
    for path in (root / TREES[name][3]).iterdir():
        write_labels(path.with_name(f'{path.stem}_labelTrainIds.png'), labels)
    dataset = build(name, tmp_path, seg_map_suffix='_labelTrainIds.png')
    assert (load(dataset) == labels).all()


@pytest.mark.parametrize('name', ['acdc', 'dark_zurich'])
def test_published_train_ids_are_the_default(name: str, tmp_path: Path) -> None:
    dataset = build(name, tmp_path, seg_map_suffix=TREES[name][4]['seg_map_suffix'])
    default = build(name, tmp_path, seg_map_suffix='_gt_labelTrainIds.png')
    assert 'raw_ids' in dataset.get_data_info(0)
    assert 'raw_ids' not in default.get_data_info(0)
    assert load(default)[:19, 0].tolist() == list(range(19))


def test_a_class_list_of_the_user_is_applied_after_the_raw_ids(tmp_path: Path) -> None:
    metainfo = dict(classes=('car', 'road'), palette=[[0, 0, 142], [128, 64, 128]])
    labels = load(build('gta5', tmp_path, metainfo=metainfo))
    assert labels[0, [7, 26, 11]].tolist() == [1, 0, 255]


def test_acdc_conditions(tmp_path: Path) -> None:
    dataset = build('acdc', tmp_path, conditions=['snow', 'fog'], split='val')
    assert [info['img_path'].split('/')[-4] for info in dataset] == ['snow', 'fog']
    unlabeled = build('acdc', tmp_path, split='test', data_prefix={'img_path': 'rgb_anon'})
    assert len(unlabeled) == 4
    assert all('seg_map_path' not in info and 'raw_ids' not in info for info in unlabeled)
    with pytest.raises(ValueError, match=r"is \['fog', 'sun'\], expected a list of names"):
        build('acdc', tmp_path, conditions=['fog', 'sun'])
    with pytest.raises(FileNotFoundError, match='rgb_anon/fog/trian of ACDCDataset'):
        build('acdc', tmp_path, split='trian')
    for path in (tmp_path / 'acdc/rgb_anon/rain/val').rglob('*.png'):
        path.rename(path.with_suffix('.jpg'))
    with pytest.raises(ValueError, match=r'rain/val of ACDCDataset holds no \*_rgb_anon\.png'):
        ACDCDataset('val', data_root=str(tmp_path / 'acdc'), data_prefix={'img_path': 'rgb_anon'})


@pytest.mark.slow
def test_acdc_arranged_by_split_and_by_list(tmp_path: Path) -> None:
    root = make_acdc(tmp_path)
    for condition in CONDITIONS:
        for path in (root / 'rgb_anon' / condition / 'val').glob('*/*'):
            target = root / 'arranged/val' / f'{condition}_{path.name}'
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    arranged = ACDCDataset(data_root=str(root), data_prefix={'img_path': 'arranged/val'})
    assert len(arranged) == 4
    (root / 'list.txt').write_text(f'night/train/{ACDC["train"][1]}\n')
    listed = build('acdc', tmp_path, ann_file='list.txt')
    assert [Path(info['img_path']).parent.parent.parent.name for info in listed] == ['night']


@pytest.mark.parametrize('name', TREES)
def test_a_missing_mask_is_named_when_the_data_set_is_built(name: str, tmp_path: Path) -> None:
    dataset = build(name, tmp_path)
    path = Path(dataset.get_data_info(0)['seg_map_path'])
    cls, _, images, masks, kwargs = TREES[name]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        cls(
            data_root=dataset.data_root,
            data_prefix={'img_path': images, 'seg_map_path': masks},
            **kwargs,
        )


def test_cityscapes_with_train_ids_is_as_before(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    labels = np.full(SIZE, 255)
    labels[:, :19] = np.arange(19)
    for name in CITIES['train']:
        write_labels(root / 'gtFine/train' / f'{name}_gtFine_labelTrainIds.png', labels)
    dataset = build('cityscapes', tmp_path, seg_map_suffix='_gtFine_labelTrainIds.png')
    assert 'raw_ids' not in dataset.get_data_info(0)
    assert (load(dataset) == labels).all()
