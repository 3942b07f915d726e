"""VOC 2012, Cityscapes, ADE20K and COCO: class tables and masks as they lie on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dts.datasets.ade20k import ADE20KDataset
from dts.datasets.checked import CheckedSegDataset
from dts.datasets.cityscapes import CityscapesDataset
from dts.datasets.coco_semi import COCOSemiDataset
from dts.datasets.transforms.loading import LoadImage, LoadLabels
from dts.datasets.voc2012 import VOC2012Dataset
from small_trees import (
    ADE,
    CITIES,
    COCO,
    SBD_ONLY,
    SIZE,
    VOC_TRAIN,
    VOC_VAL,
    coco_categories,
    make_ade20k,
    make_cityscapes,
    make_voc2012,
    voc_labels,
    voc_palette,
    write_image,
    write_labels,
)


def build(
    cls: type[CheckedSegDataset], root: Path, images: str, masks: str | None, **kwargs: Any
) -> CheckedSegDataset:
    """Build a data set on a tree."""
    prefix = {'img_path': images} | ({'seg_map_path': masks} if masks else {})
    return cls(data_root=str(root), data_prefix=prefix, serialize_data=False, **kwargs)


def load_labels(dataset: CheckedSegDataset, index: int = 0) -> np.ndarray:
    """Load the labels of a sample as training does, with the check of their range."""
    info = dataset.get_data_info(index)
    info['num_classes'] = len(dataset.metainfo['classes'])
    return LoadLabels()(LoadImage()(info))['gt_seg_map']


def stems(dataset: CheckedSegDataset, folder: str, suffix: str) -> list[str]:
    """Return the stems of all images."""
    return [info['img_path'].partition(f'{folder}/')[2].removesuffix(suffix) for info in dataset]


def test_class_tables() -> None:
    for cls, number in (
        (VOC2012Dataset, 21),
        (CityscapesDataset, 19),
        (ADE20KDataset, 150),
        (COCOSemiDataset, 81),
    ):
        assert len(cls.METAINFO['classes']) == len(cls.METAINFO['palette']) == number
        assert len(set(cls.METAINFO['classes'])) == number
    assert VOC2012Dataset.METAINFO['classes'][15] == 'person'
    assert CityscapesDataset.METAINFO['classes'][13] == 'car'
    assert ADE20KDataset.METAINFO['classes'][149] == 'flag'
    names = [category['name'] for category in coco_categories()]
    assert COCOSemiDataset.METAINFO['classes'] == ('background', *names)


def test_palette_of_voc_is_that_of_its_development_kit() -> None:
    colors = np.reshape(voc_palette(), (256, 3))
    assert colors[:21].tolist() == VOC2012Dataset.METAINFO['palette']
    assert colors[255].tolist() == [224, 224, 192]  # void


def test_voc_palette_masks_are_read_as_indices(tmp_path: Path) -> None:
    root = make_voc2012(tmp_path)
    dataset = build(
        VOC2012Dataset,
        root,
        'JPEGImages',
        'SegmentationClass',
        ann_file='ImageSets/Segmentation/val.txt',
    )
    assert stems(dataset, 'JPEGImages', '.jpg') == list(VOC_VAL)
    mode = Image.open(root / 'SegmentationClass/2007_000033.png').mode
    assert mode == 'P'
    labels = load_labels(dataset)
    assert (labels == voc_labels()).all()
    assert set(np.unique(labels)) == {0, 15, 20, 255}


def test_voc_augmented_masks_have_one_channel(tmp_path: Path) -> None:
    root = make_voc2012(tmp_path)
    dataset = build(
        VOC2012Dataset,
        root,
        'JPEGImages',
        'SegmentationClassAug',
        ann_file='ImageSets/Segmentation/trainaug.txt',
    )
    assert stems(dataset, 'JPEGImages', '.jpg') == [*VOC_TRAIN, *SBD_ONLY]
    assert (load_labels(dataset, 4) == voc_labels()).all()


def test_voc_mask_in_colors_is_refused(tmp_path: Path) -> None:
    root = make_voc2012(tmp_path)
    path = root / 'SegmentationClass/2007_000033.png'
    Image.open(path).convert('RGB').save(path)
    ann_file = 'ImageSets/Segmentation/val.txt'
    dataset = build(VOC2012Dataset, root, 'JPEGImages', 'SegmentationClass', ann_file=ann_file)
    with pytest.raises(ValueError, match=r'2007_000033\.png has 3 channels'):
        load_labels(dataset)


def test_cityscapes_stems_hold_the_city(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    for name in CITIES['train']:
        labels = np.full(SIZE, 255)
        labels[:, :19] = np.arange(19)
        write_labels(root / 'gtFine/train' / f'{name}_gtFine_labelTrainIds.png', labels)
    dataset = build(CityscapesDataset, root, 'leftImg8bit/train', 'gtFine/train')
    assert stems(dataset, 'leftImg8bit/train', '_leftImg8bit.png') == list(CITIES['train'])
    assert set(np.unique(load_labels(dataset))) == {*range(19), 255}
    listed = build(
        CityscapesDataset,
        root,
        'leftImg8bit/train',
        'gtFine/train',
        ann_file='splits/cps/186/labeled.txt',
    )
    assert stems(listed, 'leftImg8bit/train', '_leftImg8bit.png') == [CITIES['train'][0]]


def test_cityscapes_before_conversion_names_the_missing_mask(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    with pytest.raises(FileNotFoundError, match='aachen_000000_000019_gtFine_labelTrainIds'):
        build(CityscapesDataset, root, 'leftImg8bit/train', 'gtFine/train')


def test_ade20k_other_becomes_ignore_and_classes_start_at_wall(tmp_path: Path) -> None:
    root = make_ade20k(tmp_path)
    dataset = build(ADE20KDataset, root, 'images/training', 'annotations/training')
    assert stems(dataset, 'images/training', '.jpg') == list(ADE['training'])
    labels = load_labels(dataset)
    assert (labels[:8] == 255).all()
    assert (labels[8:24] == 0).all()
    assert (labels[24:] == 149).all()


def test_coco_masks_of_both_splits_share_a_folder(tmp_path: Path) -> None:
    root = tmp_path / 'coco'
    labels = np.full(SIZE, 255)
    labels[:, :40] = np.arange(0, 80, 2)
    labels[:, 40] = 80
    for split, names in COCO.items():
        for name in names:
            write_image(root / split / f'{name}.jpg')
            write_labels(root / 'masks' / f'{name}.png', labels)
    for split, names in COCO.items():
        dataset = build(COCOSemiDataset, root, split, 'masks')
        assert stems(dataset, split, '.jpg') == list(names)
        assert (load_labels(dataset) == labels).all()


@pytest.mark.parametrize(
    ('cls', 'make', 'images'),
    [
        (VOC2012Dataset, make_voc2012, 'JPEGImages'),
        (CityscapesDataset, make_cityscapes, 'leftImg8bit/train'),
        (ADE20KDataset, make_ade20k, 'images/training'),
    ],
)
def test_unlabeled_images_have_no_label_path(
    tmp_path: Path, cls: type[CheckedSegDataset], make: Any, images: str
) -> None:
    dataset = build(cls, make(tmp_path), images, None)
    assert len(dataset) >= 3
    assert all('seg_map_path' not in info for info in dataset)
