"""Adapt a model from rendered *game* scenes to *street* scenes without labels, and show it.

Trains a source-only model, DACS, and DTS over DACS, one process per core, in less than five minutes
on two cores. Prints class-wise IoU on *street* and writes one picture.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

import dts  # noqa: F401 - before anything imports mmseg
from dts.datasets.toy_city import ToyCityDataset

ROOT = Path(__file__).resolve().parents[1]
NUM_PICTURES = 5


# Half the batch of the result tables, and fewer networks tested: five minutes.
OPTIONS = (
    'train_dataloader.batch_size=4',
    'train_dataloader.sampler.batch.source=2',
    'train_dataloader.sampler.batch.target=2',
    'source_test_dataloader=None',
)


class Run(NamedTuple):
    """One training of the demo: its name, its config, the network shown, and further options."""

    name: str
    config: str
    network: str
    options: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Folder name below the output folder."""
        return self.name.lower().replace(' ', '_')


SOURCE_ONLY = Run(
    'Source only',
    'configs/uda/source-only_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py',
    'student',
    ('train_dataloader.batch_size=2', 'train_dataloader.sampler.batch.target=0'),
)
DACS = Run('DACS', 'configs/uda/dacs_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py', 'teacher')
# The second group starts halfway, as a copy of the first: five minutes.
DTS = Run(
    'DTS',
    'configs/dts/dts-dacs_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py',
    'teacher',
    ('custom_hooks.0.start_iter=125',),
)
RUNS = (SOURCE_ONLY, DACS, DTS)
LONGEST_FIRST = (DTS, SOURCE_ONLY, DACS)  # two cores: the first beside the others one by one


def train(run: Run, out: Path, options: list[str]) -> int:
    """Train in a single-threaded process and wait for it.

    Args:
        run: what to train.
        out: output folder of the demo.
        options: further ``KEY=VALUE`` for the config.

    Returns:
        The exit status of the process; its output goes to ``<out>/<run>.log``.
    """
    command = [
        sys.executable,
        'tools/train.py',
        run.config,
        '--work-dir',
        str(out / run.stem),
        '--cfg-options',
        f'test_cfg.out_dir={out / run.stem / "predictions"}',
        f'test_cfg.models=[{run.network}]',
        *OPTIONS,
        *run.options,
        *options,
    ]
    with (out / f'{run.stem}.log').open('wb') as log:
        env = {**os.environ, 'OMP_NUM_THREADS': '1'}
        return subprocess.call(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)


def train_all(out: Path, options: list[str]) -> None:
    """Run all trainings, one per core, and show where they are.

    Args:
        out: output folder of the demo.
        options: further ``KEY=VALUE`` for the configs.

    Raises:
        SystemExit: if one fails, with the end of its log.
    """
    begin = time.monotonic()
    for run in RUNS:
        (out / f'{run.stem}.log').unlink(missing_ok=True)
    with ThreadPoolExecutor(min(len(RUNS), os.cpu_count() or 1)) as pool:
        waiting: dict[Run, Future[int]] = {
            run: pool.submit(train, run, out, options) for run in LONGEST_FIRST
        }
        while not all(future.done() for future in waiting.values()):
            time.sleep(10)
            states = [f'{run.name}: {progress(out / f"{run.stem}.log")}' for run in RUNS]
            print(f'[{time.monotonic() - begin:4.0f} s] ' + ' | '.join(states), flush=True)
    for run, future in waiting.items():
        if future.result() != 0:
            tail = (out / f'{run.stem}.log').read_text().splitlines()[-15:]
            raise SystemExit(f'{run.name} failed, the end of its log:\n' + '\n'.join(tail))


def progress(log: Path) -> str:
    """Return step and time left, from the newest line of a log that tells them."""
    if not log.is_file():
        return 'waiting'
    found = re.findall(r'Iter\((\w+)\) *\[ *(\d+)/(\d+)\].*?eta: (\S+)', log.read_text())
    if not found:
        return 'starting'
    mode, step, total, eta = found[-1]
    return f'{mode} {step}/{total}, {eta} left'


def table(scores: dict[str, dict[str, float]]) -> str:
    """Return class-wise IoU as text.

    Args:
        scores: for every run its metrics (in percent) without the network's name.

    Returns:
        One line per class, then the mean.
    """
    names = [f'IoU.{name}' for name in ToyCityDataset.METAINFO['classes']] + ['mIoU']
    lines = [f'{"class":<12}' + ''.join(f'{run:>14}' for run in scores)]
    for name in names:
        values = ''.join(f'{scores[run][name]:>14.1f}' for run in scores)
        lines.append(f'{name.removeprefix("IoU."):<12}{values}')
    return '\n'.join(lines)


def picture(dataset: ToyCityDataset, predictions: dict[str, Path]) -> NDArray[np.uint8]:
    """Return a sheet of street images, labels and predictions.

    Args:
        dataset: the *street* validation images.
        predictions: for every run the folder of its predicted labels.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    palette = np.array(dataset.metainfo['palette'], dtype=np.uint8)[:, ::-1]
    rows = [caption(['street image', 'true labels', *predictions], width=256)]
    for index in np.linspace(0, len(dataset) - 1, NUM_PICTURES).astype(int):
        info = dataset.get_data_info(int(index))
        stem = Path(info['img_path']).stem
        files = [Path(info['seg_map_path'])]
        files += [folder / f'{stem}.png' for folder in predictions.values()]
        labels = [palette[cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)] for file in files]
        rows.append(np.hstack([cv2.imread(info['img_path']), *labels]))
    return np.vstack(rows)


def caption(texts: list[str], width: int) -> NDArray[np.uint8]:
    """Return a white strip with one text above each column."""
    strip = np.full((28, width * len(texts), 3), 255, dtype=np.uint8)
    for column, text in enumerate(texts):
        place = (column * width + 8, 20)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return strip


def main() -> None:
    """Train, print the table, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs/demo', help='output folder')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)

    begin = time.monotonic()
    dataset = ToyCityDataset('street', 'val')  # renders all images when they are missing
    print(f'images ready after {time.monotonic() - begin:.0f} s, training three models ...')
    train_all(out, args.cfg_options)

    scores, predictions = {}, {}
    for run in RUNS:
        metrics = json.loads((out / run.stem / 'test.json').read_text())
        prefix = f'{run.network}/'
        scores[run.name] = {
            name.removeprefix(prefix): value
            for name, value in metrics.items()
            if name.startswith(prefix)
        }
        folder = out / run.stem / 'predictions'
        predictions[run.name] = folder / run.network if (folder / run.network).is_dir() else folder
    cv2.imwrite(str(out / 'demo.png'), picture(dataset, predictions))
    print(f'\nIoU (%) on street images, trained with labels of game images only\n{table(scores)}')
    print(f'\npicture: {out / "demo.png"}    ({time.monotonic() - begin:.0f} s in all)')


if __name__ == '__main__':
    main()
