"""Render the 81-class label masks of COCO 2017 from its instance annotations.

    annotations/instances_{train,val}2017.json  ->  masks/NAME.png

for all images of train2017 (118 287) and val2017 (5000), in one folder as the lists of UniMatch
have it. 0 = background, 1..80 = the categories in the order of their ids, 255 = crowd regions; what
lies on top and why: `dts.datasets.coco_masks.render_labels`. An image without annotation is
background. Reading the train annotations takes about 3 GB of memory.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from conversion import Job, add_common_options, check_count, convert_masks

import dts  # noqa: F401 - shims must run before anything imports mmseg
from dts.datasets.coco_masks import render_labels
from dts.datasets.coco_semi import COCOSemiDataset
from dts.launch import user_errors

COUNTS = {'train2017': 118287, 'val2017': 5000}
KEPT = ('id', 'category_id', 'iscrowd', 'segmentation')  # of an annotation


@dataclass(frozen=True)
class Source:
    """What the mask of one image is made from."""

    annotations: list[dict[str, Any]]
    class_of: Mapping[int, int]
    height: int
    width: int


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Render 81-class masks of COCO 2017. Masks that are there already are kept.'
    )
    parser.add_argument(
        'root',
        nargs='?',
        type=Path,
        default=Path('data/coco'),
        help='folder that holds annotations/ (default %(default)s)',
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def read_annotations(path: Path) -> dict[str, Any]:
    """Read an annotation file.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is not JSON or holds no instances.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'no annotations {path}: unpack annotations_trainval2017.zip (data/README.md)'
        )
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f'{path} is not whole ({error}): fetch it again') from error
    missing = {'images', 'annotations', 'categories'} - set(content)
    if missing:
        raise ValueError(f'{path} has no {sorted(missing)}, expected instances_*2017.json')
    return content


def class_table(categories: Sequence[Mapping[str, Any]], path: Path) -> dict[int, int]:
    """Return category id -> class index 1..80, in the order of the ids.

    Raises:
        ValueError: if these are not the 80 categories of COCO.
    """
    ordered = sorted(categories, key=lambda category: category['id'])
    names = tuple(category['name'] for category in ordered)
    expected = COCOSemiDataset.METAINFO['classes'][1:]
    if names != expected:
        raise ValueError(
            f'{path} has {len(names)} categories {names[:3]}..., expected the {len(expected)} '
            f'of COCO 2017 {expected[:3]}...'
        )
    return {category['id']: index for index, category in enumerate(ordered, 1)}


def render(source: Source) -> np.ndarray:
    """Return the labels of an image, (H, W) uint8."""
    return render_labels(source.annotations, source.class_of, source.height, source.width)


def make_jobs(content: Mapping[str, Any], path: Path, out: Path) -> list[Job]:
    """Return one job for every image, with or without annotations."""
    class_of = class_table(content['categories'], path)
    of_image = defaultdict(list)
    for annotation in content['annotations']:
        kept = {key: annotation[key] for key in KEPT if key in annotation}
        of_image[annotation['image_id']].append(kept)
    return [
        Job(
            target=out / f'{Path(image["file_name"]).stem}.png',
            source=Source(of_image[image['id']], class_of, image['height'], image['width']),
        )
        for image in content['images']
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Render the masks of both splits."""
    args = parse_args(argv)
    for split, count in COUNTS.items():
        path = args.root / 'annotations' / f'instances_{split}.json'
        jobs = make_jobs(read_annotations(path), path, args.root / 'masks')
        check_count(f'{path}', len(jobs), count, args.partial)
        convert_masks(split, jobs, render, args.num_workers)
    print(f'Written to {args.root / "masks"}. Next: lists of labeled images (data/README.md)')


if __name__ == '__main__':
    with user_errors():
        main()
