"""Short run through the real command line on made-up images: train, resume, test, stock load.

Used where the whole test suite would take too long: on the second supported stack.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from dts.stack import installed_versions, is_fork

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = """
_base_ = ['{configs}/datasets/folder.py', '{configs}/runtime.py']
model = dict(
    type='dts.MeanTeacher',
    threshold=0.4,
    student=dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            mean=[127.5] * 3,
            std=[127.5] * 3,
            bgr_to_rgb=True,
            size=(384, 384),
            pad_val=0,
            seg_pad_val=255,
        ),
        backbone=dict(
            type='MixVisionTransformer',
            embed_dims=8,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            drop_path_rate=0.3,
        ),
        decode_head=dict(
            type='SegformerHead',
            in_channels=[8, 8, 16, 16],
            in_index=[0, 1, 2, 3],
            channels=8,
            num_classes=2,
            dropout_ratio=0.1,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    ),
)
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.9)]
default_hooks = dict(checkpoint=dict(interval=1), logger=dict(interval=1))
train_dataloader = dict(
    batch_size=2, sampler=dict(batch=dict(labeled=1, unlabeled=1))
)
train_cfg = dict(type='dts.TrainLoop', max_iters=5, val_interval=100)
val_cfg = dict(type='dts.ModelsValLoop', models=['student', 'teacher'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student', 'teacher'])
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3))
param_scheduler = [dict(type='PolyLR', power=0.9, end=5, by_epoch=False)]
"""


def make_images(root: Path) -> None:
    """Write labelled, unlabelled and validation images of bright discs.

    Args:
        root: the folder that the config calls ``my_images``.
    """
    rng = np.random.default_rng(0)
    for folder, count in (('labeled/images', 3), ('unlabeled', 4), ('val/images', 2)):
        (root / folder).mkdir(parents=True)
        masks = (root / folder).parent / 'masks'
        if folder != 'unlabeled':
            masks.mkdir()
        for index in range(count):
            mask = np.zeros((96, 128), np.uint8)
            cv2.circle(mask, tuple(map(int, rng.integers(20, 90, 2))), 18, 1, thickness=-1)
            image = mask[..., None] * 120 + rng.integers(0, 100, (96, 128, 3))
            cv2.imwrite(str(root / folder / f'{index}.png'), image.astype(np.uint8))
            if folder != 'unlabeled':
                cv2.imwrite(str(masks / f'{index}.png'), mask)


STOCK = """
import sys
import torch
from mmengine.config import Config
from mmseg.apis import init_model

config = Config.fromfile(sys.argv[1], import_custom_modules=False)
student = Config(dict(model=config.model.student.to_dict(), default_scope='mmseg'))
loaded = init_model(student, sys.argv[2], device='cpu').state_dict()
written = torch.load(sys.argv[2], weights_only=True)['state_dict']
assert 'dts' not in sys.modules, 'dts was imported'
assert written.keys() == loaded.keys(), sorted(written.keys() ^ loaded.keys())
different = [name for name in written if not torch.equal(written[name], loaded[name])]
assert not different, different
"""


def run_tool(name: str, *arguments: str | Path) -> None:
    """Run a tool of the repository; its output is shown if it fails.

    Args:
        name: file in ``tools``.
        arguments: its command line.
    """
    command = [sys.executable, '-W', 'ignore', f'tools/{name}', *map(str, arguments)]
    print('running', ' '.join(command[3:]), flush=True)
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f'{result.stdout}\n{result.stderr}\nFAIL: exit code {result.returncode}')


def load_in_stock(config: Path, checkpoint: Path) -> None:
    """Open a checkpoint by MMSegmentation alone, in a process that never imports this package.

    Args:
        config: the config of the run; only its student is used.
        checkpoint: a file that the run wrote.
    """
    command = [sys.executable, '-W', 'ignore', '-c', STOCK, str(config), str(checkpoint)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f'{result.stdout}\n{result.stderr}\nFAIL: stock init_model on {checkpoint.name}')
    print('stock init_model: keys and values equal', flush=True)


def tensors(value: object, name: str = '') -> dict[str, torch.Tensor]:
    """Return all tensors below a value of a checkpoint.

    Args:
        value: dictionary, list, or leaf.
        name: what leads to it.

    Returns:
        Path of names -> tensor.
    """
    if isinstance(value, torch.Tensor):
        return {name: value}
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list | tuple) else items
    return {key: t for k, v in items for key, t in tensors(v, f'{name}.{k}').items()}


def compare(straight: Path, resumed: Path) -> int:
    """Exit with a message unless two checkpoints hold the same weights, teachers and optimizer.

    Args:
        straight: checkpoint of a run without a break.
        resumed: of a run that was resumed.

    Returns:
        Number of tensors that were compared.
    """
    expected, found = (
        tensors({key: checkpoint[key] for key in ('state_dict', 'dts', 'optimizer')})
        for checkpoint in (torch.load(path, weights_only=True) for path in (straight, resumed))
    )
    if expected.keys() != found.keys():
        sys.exit(f'FAIL: tensors of one file only: {sorted(expected.keys() ^ found.keys())}')
    different = [name for name in expected if not torch.equal(expected[name], found[name])]
    if different:
        sys.exit(f'FAIL: {len(different)} tensors differ after resuming, first {different[0]}')
    return len(expected)


def main() -> None:
    """Train three steps, resume to five, compare with five straight ones, test."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_images(root / 'my_images')
        os.environ['DTS_DATA_ROOT'] = str(root)
        config = root / 'smoke.py'
        config.write_text(CONFIG.format(configs=REPOSITORY / 'configs/_base_'))
        straight, resumed = root / 'straight', root / 'resumed'
        run_tool('train.py', config, '--work-dir', straight)
        run_tool(
            'train.py', config, '--work-dir', resumed, '--cfg-options', 'train_cfg.max_iters=3'
        )
        run_tool('train.py', config, '--work-dir', resumed, '--resume')
        count = compare(straight / 'iter_5.pth', resumed / 'iter_5.pth')
        print(f'3 steps, resume, 2 steps: {count} tensors bitwise equal to 5 straight steps')
        if is_fork(installed_versions()):  # MMSegmentation alone does not import beside mmcv-lite
            load_in_stock(config, resumed / 'iter_5.pth')
        run_tool('test.py', config, resumed / 'iter_5.pth', '--work-dir', root / 'test')
        scores = json.loads((root / 'test/test.json').read_text())
        shown = {name: scores.get(name, math.nan) for name in ('student/mIoU', 'teacher/mIoU')}
        if not all(math.isfinite(score) and score > 0 for score in shown.values()):
            sys.exit(f'FAIL: no usable scores: {scores}')
        print('test:', ', '.join(f'{name} {score:.1f}' for name, score in shown.items()))


if __name__ == '__main__':
    main()
