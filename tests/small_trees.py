"""The public data sets in their true layout, with a handful of small images each."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

VOC_TRAIN = ('2007_000032', '2007_000039')
VOC_VAL = ('2007_000033', '2007_000042')
SBD_ONLY = ('2008_000002', '2008_000003', '2011_003276')
CITIES = {
    'train': (
        'aachen/aachen_000000_000019',
        'hamburg/hamburg_000000_042505',
        'ulm/ulm_000001_000019',
    ),
    'val': ('frankfurt/frankfurt_000000_000294',),
}
ADE = {
    'training': ('ADE_train_00000001', 'ADE_train_00000002', 'ADE_train_00020210'),
    'validation': ('ADE_val_00000001',),
}
COCO = {
    'train2017': ('000000000009', '000000000025', '000000581929'),
    'val2017': ('000000000139',),
}
GTA5 = ('00001', '00002', '24966')
SYNTHIA = ('0000000', '0000001', '0009399')
CONDITIONS = ('fog', 'night', 'rain', 'snow')
ACDC = {
    'train': ('GOPR0475/GOPR0475_frame_000041', 'GOPR0476/GOPR0476_frame_000061'),
    'val': ('GOPR0476/GOPR0476_frame_000821',),
    'test': ('GOPR0477/GOPR0477_frame_000247',),
}
DARK_ZURICH = {
    'train': ('GOPR0345/GOPR0345_frame_000001', 'GP010345/GP010345_frame_000002'),
    'val': ('GOPR0356/GOPR0356_frame_000321',),
    'test': ('GOPR0364/GOPR0364_frame_000123',),
}
SIZE = (32, 48)  # height, width


def write_image(path: Path, size: tuple[int, int] = SIZE) -> None:
    """Write a picture whose red grows to the right and whose green grows downwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.stack([columns * 4, rows * 6, np.full(size, 90)], axis=2).astype(np.uint8)
    Image.fromarray(image).save(path, **({'quality': 95} if path.suffix == '.jpg' else {}))


def write_labels(path: Path, labels: np.ndarray, palette: list[int] | None = None) -> None:
    """Write a one-channel mask, as palette image if there is a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8))
    if palette:
        image.putpalette(palette)
    image.save(path)


def write_lines(path: Path, lines) -> None:
    """Write a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines))


def voc_palette() -> list[int]:
    """The 256 colors of the VOC development kit: bits of the index, dealt to R, G and B in turn."""
    colors = []
    for index in range(256):
        color, bits = [0, 0, 0], index
        for shift in range(7, -1, -1):
            for channel in range(3):
                color[channel] |= (bits >> channel & 1) << shift
            bits >>= 3
        colors += color
    return colors


def voc_labels() -> np.ndarray:
    """A person (15) in front of a tv monitor (20), with the border that VOC leaves out."""
    labels = np.zeros(SIZE, np.uint8)
    labels[4:20, 10:40] = 20
    labels[8:28, 16:30] = 255
    labels[10:26, 18:28] = 15
    return labels


def make_voc2012(root: Path, with_aug: bool = True) -> Path:
    """VOC 2012 and, if wanted, what the converter adds; return ``VOCdevkit/VOC2012``."""
    voc = root / 'VOCdevkit' / 'VOC2012'
    for name in (*VOC_TRAIN, *VOC_VAL, *SBD_ONLY):
        write_image(voc / 'JPEGImages' / f'{name}.jpg')
    for name in (*VOC_TRAIN, *VOC_VAL):
        write_labels(voc / 'SegmentationClass' / f'{name}.png', voc_labels(), voc_palette())
    lists = voc / 'ImageSets' / 'Segmentation'
    write_lines(lists / 'train.txt', VOC_TRAIN)
    write_lines(lists / 'val.txt', VOC_VAL)
    if with_aug:
        for name in (*VOC_TRAIN, *SBD_ONLY):
            write_labels(voc / 'SegmentationClassAug' / f'{name}.png', voc_labels())
        write_lines(lists / 'trainaug.txt', [*VOC_TRAIN, *SBD_ONLY])
        write_split(voc / 'splits/classic/183', VOC_TRAIN, SBD_ONLY)
    return voc


def make_cityscapes(root: Path) -> Path:
    """Cityscapes before conversion: label ids 0..33; return ``cityscapes``."""
    folder = root / 'cityscapes'
    for split, names in CITIES.items():
        for name in names:
            write_image(folder / 'leftImg8bit' / split / f'{name}_leftImg8bit.png')
            labels = np.zeros(SIZE, np.uint8)
            labels[0, :34] = np.arange(34)
            labels[1:, 24:] = 26  # car
            write_labels(folder / 'gtFine' / split / f'{name}_gtFine_labelIds.png', labels)
            write_labels(folder / 'gtFine' / split / f'{name}_gtFine_instanceIds.png', labels)
    write_split(folder / 'splits/cps/186', CITIES['train'][:1], CITIES['train'][1:])
    return folder


def all_ids(num_ids: int) -> np.ndarray:
    """Every id once in the first row, car (26 of Cityscapes) on the right, 0 elsewhere."""
    labels = np.zeros(SIZE, np.uint8)
    labels[0, :num_ids] = np.arange(num_ids)
    labels[1:, 24:] = 26
    return labels


def make_gta5(root: Path) -> Path:
    """GTA5: palette images of the ids of Cityscapes, with 34 for licence plates; return ``gta``."""
    folder = root / 'gta'
    for name in GTA5:
        write_image(folder / 'images' / f'{name}.png')
        write_labels(folder / 'labels' / f'{name}.png', all_ids(35), voc_palette())
    return folder


def make_synthia(root: Path) -> Path:
    """SYNTHIA: 16-bit labels, red = class, green = instance; return ``synthia``."""
    folder = root / 'synthia'
    for name in SYNTHIA:
        write_image(folder / 'RGB' / f'{name}.png')
        labels = all_ids(23)
        labels[1:, 24:] = 8  # car
        write_16_bit_labels(folder / 'GT' / 'LABELS' / f'{name}.png', labels)
    return folder


def write_16_bit_labels(path: Path, labels: np.ndarray) -> None:
    """Write classes and instances as SYNTHIA does; OpenCV takes blue, green, red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    instances = np.arange(labels.size).reshape(labels.shape)
    channels = np.stack([np.zeros_like(instances), instances, labels], axis=2)
    assert cv2.imwrite(str(path), channels.astype(np.uint16))


def make_acdc(root: Path) -> Path:
    """ACDC, reference images of good weather included; return ``acdc``."""
    folder = root / 'acdc'
    for condition in CONDITIONS:
        for split, names in ACDC.items():
            for name in names:
                images = folder / 'rgb_anon' / condition
                write_image(images / split / f'{name}_rgb_anon.png')
                write_image(images / f'{split}_ref' / f'{name}_rgb_ref_anon.png')
                if split != 'test':
                    write_masks(folder / 'gt' / condition / split / f'{name}_gt')
    return folder


def make_dark_zurich(root: Path) -> Path:
    """Dark Zurich; labels of val only; return ``dark_zurich``."""
    folder = root / 'dark_zurich'
    for split, names in DARK_ZURICH.items():
        for name in names:
            write_image(folder / 'rgb_anon' / split / 'night' / f'{name}_rgb_anon.png')
            if split == 'val':
                write_masks(folder / 'gt' / split / 'night' / f'{name}_gt')
    return folder


def write_masks(stem: Path) -> None:
    """Write label ids, and the train ids 0..18 and 255 in rows."""
    write_labels(stem.with_name(f'{stem.name}_labelIds.png'), all_ids(34))
    labels = np.full(SIZE, 255)
    labels[:19] = np.arange(19)[:, None]
    write_labels(stem.with_name(f'{stem.name}_labelTrainIds.png'), labels)


def make_ade20k(root: Path) -> Path:
    """ADE20K; 0 = other, 1 = wall, 150 = flag; return ``ade/ADEChallengeData2016``."""
    folder = root / 'ade' / 'ADEChallengeData2016'
    for split, names in ADE.items():
        for name in names:
            write_image(folder / 'images' / split / f'{name}.jpg')
            labels = np.ones(SIZE, np.uint8)
            labels[:8], labels[24:] = 0, 150
            write_labels(folder / 'annotations' / split / f'{name}.png', labels)
    write_split(folder / 'splits/semivl/631', ADE['training'][:1], ADE['training'][1:])
    return folder


def make_coco(root: Path, categories: list[dict]) -> Path:
    """COCO 2017 before conversion: an umbrella over a crowd and a plane; return ``coco``.

    The second training image has no annotation.
    """
    folder = root / 'coco'
    height, width = SIZE
    for split, names in COCO.items():
        annotations = []
        for name in names:
            write_image(folder / split / f'{name}.jpg')
            if name == '000000000025':
                continue
            # rows 16.. of columns 24.. as run lengths down the columns
            crowd = [24 * height + 16] + [16, 16] * 23 + [16]
            annotations += [
                dict(category_id=28, iscrowd=0, segmentation=[[20, 10, 40, 10, 40, 20, 20, 20]]),
                dict(category_id=5, iscrowd=0, segmentation=[[0, 0, 10, 0, 10, 5, 0, 5]]),
                dict(category_id=1, iscrowd=1, segmentation=dict(size=list(SIZE), counts=crowd)),
            ]
            for annotation in annotations[-3:]:
                annotation['image_id'] = int(name)
        for number, annotation in enumerate(annotations, 1):
            annotation['id'] = number
        content = dict(
            info={},
            images=[
                dict(id=int(name), file_name=f'{name}.jpg', height=height, width=width)
                for name in names
            ],
            annotations=annotations,
            categories=categories[::-1],
        )
        path = folder / 'annotations' / f'instances_{split}.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    write_split(folder / 'splits/pseudoseg/463', COCO['train2017'][:1], COCO['train2017'][1:])
    return folder


def coco_categories() -> list[dict]:
    """The 80 categories of COCO 2017 with their ids, which leave ten numbers out."""
    names = """person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,
    fire hydrant,stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,
    giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,
    baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,
    spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,
    potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,
    toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"""
    left_out = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    ids = [number for number in range(1, 91) if number not in left_out]
    return [
        dict(id=number, name=name.strip())
        for number, name in zip(ids, names.split(','), strict=True)
    ]


def write_split(folder: Path, labeled, unlabeled) -> None:
    """Write the lists that a config reads."""
    write_lines(folder / 'labeled.txt', labeled)
    write_lines(folder / 'unlabeled.txt', unlabeled)
