"""Count the pixels of each class for rare-class sampling, before a run needs them.

Reads ``rare_class`` of the sampler in a config, counts the label files of these streams (what was
counted before is kept), and prints what will be drawn how often. Training does the same by itself
when it starts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from mmengine.config import DictAction

import dts.all  # noqa: F401 - registers what configs name
from dts.config import load_config
from dts.datasets.class_counts import class_counts
from dts.datasets.rare_class import RareClassDraw
from dts.launch import check_file, user_errors
from dts.registry import DATASETS


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Count the pixels of each class in the streams of a config that sample rare '
        'classes, and show how often each class will be drawn.'
    )
    parser.add_argument('config', help='a training config, or one of configs/_base_/datasets')
    parser.add_argument('--num-workers', type=int, help='processes (default: one per core, <= 8)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, help='key=value overrides'
    )
    return parser.parse_args(argv)


def show(draw: RareClassDraw, counts: np.ndarray, classes: Sequence[str]) -> None:
    """Print one line per class."""
    shares = 100 * counts.sum(axis=0) / counts.sum()
    print(f'{"class":16} {"pixels":>8} {"images":>8} {"drawn":>8}')
    for name, share, images, drawn in zip(
        classes, shares, draw.images, draw.probabilities, strict=True
    ):
        print(f'{name:16} {share:7.3f}% {len(images):8d} {100 * drawn:7.3f}%')


def main(argv: Sequence[str] | None = None) -> None:
    """Count every stream of ``rare_class``."""
    args = parse_args(argv)
    check_file(args.config, 'config')
    cfg = load_config(args.config)
    cfg.merge_from_dict(args.cfg_options)
    rare_class = cfg.train_dataloader.sampler.get('rare_class') or {}
    if not rare_class:
        raise ValueError(
            f'{args.config} samples no rare classes: train_dataloader.sampler has no `rare_class`'
        )
    for name, settings in rare_class.items():
        options = dict(settings)
        dataset = DATASETS.build(cfg.train_dataloader.dataset.streams[name])
        counts = class_counts(dataset, options.pop('file', None), args.num_workers)
        classes = dataset.metainfo['classes']
        print(f'stream {name}: {len(dataset)} images')
        show(RareClassDraw(counts, classes, **options), counts, classes)


if __name__ == '__main__':
    with user_errors():
        main()
