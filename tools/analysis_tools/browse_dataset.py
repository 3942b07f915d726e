"""Write contact sheets of the training batches of a config: every branch after its transforms."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

import dts.all  # noqa: F401 - registers what configs name
from dts.launch import check_file, user_errors

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample

Image = NDArray[np.uint8]

ROWS_PER_SHEET = 4
GAP = 6
LINE = 18  # height of a line of text
FONT = cv2.FONT_HERSHEY_SIMPLEX
OPACITY = 0.6
IGNORE_INDEX = 255
IGNORE_COLOR = (255, 0, 255)  # BGR; no palette of ours has it
PAPER = 255


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='a training config, or one of configs/_base_/datasets')
    parser.add_argument(
        '--out', type=Path, help='folder of the PNG files; default work_dirs/<config>/browse'
    )
    parser.add_argument('--num', type=int, default=8, help='samples of each branch (default 8)')
    parser.add_argument(
        '--not-show', action='store_true', help='for habit: pictures are only ever written'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='key=value overrides')
    args = parser.parse_args(argv)
    if args.num < 1:
        parser.error(f'--num must be at least 1, got {args.num}')
    return args


def read_rows(loader: DataLoader) -> Iterator[dict[str, tuple[Image, SegDataSample]]]:
    """Yield one row after the other: branch -> (image (H, W, 3) BGR, data sample).

    Row k of a batch holds sample k of every branch that has one.
    """
    for batch in loader:
        inputs, samples = batch['inputs'], batch['data_samples']
        if not isinstance(inputs, dict):  # a stock loader without branches
            inputs, samples = {'train': inputs}, {'train': samples}
        for k in range(max(map(len, inputs.values()))):
            yield {
                name: (to_image(inputs[name][k]), samples[name][k])
                for name in inputs
                if k < len(inputs[name])
            }


def to_image(tensor: Tensor) -> Image:
    """Turn (3, H, W) uint8 into (H, W, 3), channels in the order of the tensor (BGR)."""
    return np.ascontiguousarray(tensor.permute(1, 2, 0).numpy())


def overlay(image: Image, labels: NDArray[np.integer], palette: Sequence[Sequence[int]]) -> Image:
    """Blend the label colors over a BGR image.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) class ids, 255 = ignore.
        palette: one RGB color for each class.

    Returns:
        (H, W, 3) uint8: ``OPACITY`` of the label color, the rest of the image.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8)[:, ::-1]
    table[IGNORE_INDEX] = IGNORE_COLOR
    return cv2.addWeighted(table[labels], OPACITY, image, 1 - OPACITY, 0)


def draw_tile(image: Image, caption: str) -> Image:
    """Put a line of text above an image; text too long for the width loses its start."""
    while len(caption) > 1 and cv2.getTextSize(caption, FONT, 0.4, 1)[0][0] > image.shape[1] - 4:
        caption = caption[1:]
    strip = np.full((LINE, image.shape[1], 3), PAPER, np.uint8)
    cv2.putText(strip, caption, (2, LINE - 5), FONT, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, image])


def draw_row(
    row: dict[str, tuple[Image, SegDataSample]], palette: Sequence[Sequence[int]]
) -> dict[str, Image]:
    """Draw the tiles of a row: every branch, and its overlay where it has labels."""
    tiles = {}
    for name, (image, sample) in row.items():
        tiles[name] = draw_tile(image, Path(sample.img_path).name)
        if 'gt_sem_seg' in sample:
            labels = sample.gt_sem_seg.data.squeeze(0).numpy()
            ignored = np.mean(labels == IGNORE_INDEX)
            tiles[f'{name} + labels'] = draw_tile(
                overlay(image, labels, palette), f'{ignored:.1%} ignored'
            )
    return tiles


def draw_legend(classes: Sequence[str], palette: Sequence[Sequence[int]], width: int) -> Image:
    """Draw a color box and a name for each class and for "ignore", wrapped to ``width``."""
    entries = [(name, tuple(rgb[::-1])) for name, rgb in zip(classes, palette, strict=True)]
    entries.append(('ignore (255)', IGNORE_COLOR))
    cell = 24 + max(cv2.getTextSize(name, FONT, 0.4, 1)[0][0] for name, _ in entries)
    per_line = max(1, width // cell)
    num_lines = -(-len(entries) // per_line)
    legend = np.full((num_lines * LINE, max(width, cell), 3), PAPER, np.uint8)
    for index, (name, color) in enumerate(entries):
        x, y = index % per_line * cell, index // per_line * LINE
        cv2.rectangle(legend, (x + 2, y + 3), (x + 14, y + LINE - 4), color, cv2.FILLED)
        cv2.rectangle(legend, (x + 2, y + 3), (x + 14, y + LINE - 4), (0, 0, 0), 1)
        cv2.putText(legend, name, (x + 18, y + LINE - 5), FONT, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return legend


def draw_sheet(
    rows: Sequence[dict[str, Image]], classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> Image:
    """Lay tiles out on a grid: one column for each view with its title, the legend below.

    Args:
        rows: for each row view -> tile (h, w, 3); views may be missing and tiles differ in size.
        classes: class names.
        palette: one RGB color for each class.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    widths = [max(row[c].shape[1] for row in rows if c in row) + GAP for c in columns]
    heights = [max(tile.shape[0] for tile in row.values()) + GAP for row in rows]
    legend = draw_legend(classes, palette, sum(widths))
    sheet = np.full(
        (LINE + sum(heights) + len(legend), max(sum(widths), legend.shape[1]), 3), PAPER, np.uint8
    )
    for column, x in zip(columns, np.cumsum([0, *widths]), strict=False):
        cv2.putText(sheet, column, (int(x) + 2, LINE - 5), FONT, 0.45, (160, 0, 0), 1, cv2.LINE_AA)
        for row, y in zip(rows, LINE + np.cumsum([0, *heights]), strict=False):
            if column in row:
                height, width = row[column].shape[:2]
                sheet[y : y + height, x : x + width] = row[column]
    sheet[len(sheet) - len(legend) :, : legend.shape[1]] = legend
    return sheet


def main(argv: Sequence[str] | None = None) -> None:
    """Write the sheets and say where they are."""
    args = parse_args(argv)
    check_file(args.config, 'config')
    config = Config.fromfile(args.config)
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    init_default_scope(config.get('default_scope', 'mmseg'))
    out = args.out or Path('work_dirs') / Path(args.config).stem / 'browse'
    out.mkdir(parents=True, exist_ok=True)
    # Built as the Runner does, with the run's seed: the first rows are what the first steps see.
    seed = config.get('randomness', {}).get('seed', 0)
    loader = Runner.build_dataloader(config.train_dataloader, seed=seed)
    classes, palette = loader.dataset.metainfo['classes'], loader.dataset.metainfo['palette']
    rows = (draw_row(row, palette) for row in islice(read_rows(loader), args.num))
    number = 0
    while chunk := list(islice(rows, ROWS_PER_SHEET)):
        path = out / f'sheet_{number:03d}.png'
        if not cv2.imwrite(str(path), draw_sheet(chunk, classes, palette)):
            raise OSError(f'{path} could not be written: is the disk full?')
        print(path)
        number += 1


if __name__ == '__main__':
    with user_errors():
        main()
