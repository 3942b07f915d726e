"""Whole training runs at toy scale: images on disk, a config, and a process of their own."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer

from dts.config import load_config
from dts.launch import start_cpu_processes
from dts.registry import HOOKS
from toys import toy_segmentor_config

CLASSES = dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0], [255, 0, 0], [0, 255, 0]])


@HOOKS.register_module(force=True)
class KillHook(Hook):
    """Kill the process without warning after ``iteration`` iterations."""

    priority = 'LOWEST'

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        if batch_idx + 1 == self.iteration:
            os.kill(os.getpid(), 9)


def make_images(root: Path, count: int = 10, size: tuple[int, int] = (40, 48)) -> None:
    """Write ``count`` images whose labels can be learned from their colors."""
    rng = np.random.default_rng(0)
    for folder in ('images', 'masks'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        coarse = rng.integers(0, 3, (5, 6), dtype=np.uint8)
        labels = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_NEAREST)
        image = np.eye(3)[labels] * 120 + rng.integers(0, 100, (*size, 3))
        cv2.imwrite(str(root / f'images/{index}.png'), image.astype(np.uint8))
        cv2.imwrite(str(root / f'masks/{index}.png'), labels)
    names = [str(index) for index in range(count)]
    (root / 'labeled.txt').write_text('\n'.join(names[:3]))
    (root / 'unlabeled.txt').write_text('\n'.join(names[3:]))


def small_segformer(drop: float = 0.1, norm: str = 'BN') -> dict[str, Any]:
    """A SegFormer with dropout, drop-path and BatchNorm that takes 10 ms per image."""
    config = toy_segmentor_config()
    config.backbone = dict(
        type='mmseg.MixVisionTransformer',
        embed_dims=8,
        num_layers=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        drop_rate=drop,
        attn_drop_rate=drop,
        drop_path_rate=3 * drop,
    )
    config.decode_head = dict(
        type='mmseg.SegformerHead',
        in_channels=[8, 8, 16, 16],
        in_index=[0, 1, 2, 3],
        channels=8,
        dropout_ratio=drop,
        num_classes=3,
        norm_cfg=dict(type='BN') if norm == 'BN' else dict(type='GN', num_groups=2),
        align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', loss_weight=1.0),
    )
    return config


def stream(root: Path, ann_file: str, pipeline: list[dict]) -> dict[str, Any]:
    """Config of one stream over the images of ``make_images``."""
    return dict(
        type='mmseg.BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        ann_file=ann_file,
        img_suffix='.png',
        metainfo=CLASSES,
        pipeline=pipeline,
    )


def run_config(root: Path, work_dir: Path, **overrides: Any) -> Config:
    """Config of a Mean Teacher run over the images of ``make_images``."""
    base = load_config(Path(__file__).parents[1] / 'configs/_base_/runtime.py')
    load = [dict(type='LoadImageFromFile')]
    label = [dict(type='LoadAnnotations')]
    geometry = [
        dict(type='RandomResize', scale=(48, 40), ratio_range=(0.8, 1.5), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(32, 32)),
        dict(type='RandomFlip', prob=0.5),
    ]
    strong = [dict(type='PhotoMetricDistortion')]
    pack = [dict(type='PackSegInputs')]
    labeled = dict(type='dts.Branches', branches=dict(labeled=pack))
    unlabeled = dict(
        type='dts.Branches', branches=dict(unlabeled_weak=pack, unlabeled_strong=strong + pack)
    )
    student = small_segformer()
    student.data_preprocessor.size = (32, 32)
    student.data_preprocessor.pop('size_divisor')
    evaluated = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        dataset=dict(
            **stream(root, '', load + label + pack),
        ),
    )
    evaluated['dataset']['test_mode'] = True
    config = dict(
        model=dict(
            type='dts.MeanTeacher', student=student, threshold=0.4, mix=dict(type='dts.CutMix')
        ),
        custom_hooks=[dict(type='dts.EmaTeacherHook', decay=0.9)],
        train_dataloader=dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='dts.RatioSampler', batch=dict(labeled=2, unlabeled=2)),
            dataset=dict(
                type='dts.StreamDataset',
                streams=dict(
                    labeled=stream(root, 'labeled.txt', load + label + geometry + [labeled]),
                    unlabeled=stream(root, 'unlabeled.txt', load + geometry + [unlabeled]),
                ),
            ),
            collate_fn=dict(type='dts.collate_branches'),
        ),
        val_dataloader=evaluated,
        val_evaluator=dict(type='dts.SegmentationMetric'),
        val_cfg=dict(type='dts.ModelsValLoop', models=['student', 'teacher']),
        optim_wrapper=dict(
            type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-3), accumulative_counts=1
        ),
        param_scheduler=[dict(type='PolyLR', power=0.9, end=40, by_epoch=False)],
        train_cfg=dict(type='dts.TrainLoop', max_iters=40, val_interval=13),
        work_dir=str(work_dir),
    )
    base.merge_from_dict(config)
    base.merge_from_dict(dict(default_hooks=dict(checkpoint=dict(interval=17, max_keep_ckpts=3))))
    base.merge_from_dict(overrides)
    return base


def as_dual_teacher(config: Config, shift: int) -> Config:
    """Turn a run of ``run_config`` into one of Dual Teacher, hooks of other kinds kept."""
    config.model = dict(
        type='dts.DualTeacher',
        student=config.model.student,
        threshold=0.4,
        sub_network='drop_path',
        sub_network_rate=0.3,
    )
    hook = dict(type='dts.SwitchingTeachersHook', shift=shift, decay=0.9)
    config.custom_hooks = [hook, *config.custom_hooks[1:]]
    models = ['student', 'teacher.0', 'teacher.1']
    config.val_cfg.models = models
    return config


def in_child(function: Callable[..., Any], *args: Any, timeout: float = 300) -> int:
    """Run a function in a forked process, single-threaded, and return the exit code.

    MMEngine keeps loggers, message hubs and the process group in globals: a run that shall start
    like a new process needs one. A fork starts in milliseconds.
    """
    process = get_context('fork').Process(target=_quiet, args=(function, args))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f'{function.__name__} did not end within {timeout} s')
    return process.exitcode


def on_ranks(function: Callable[..., Any], *args: Any, timeout: float = 300) -> None:
    """Run a function on two ranks, each a forked process; fails when one of them does."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    context = get_context('fork')
    processes = [
        context.Process(target=_on_rank, args=(rank, port, function, args)) for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0, 0], f'exit codes of the ranks: {codes}'


def train(config: Config) -> None:
    """Build the runner of a config and train; on ranks as ``tools/train.py`` does."""
    if 'WORLD_SIZE' in os.environ:
        config.launcher = 'pytorch'
        start_cpu_processes(config)
    Runner.from_cfg(config).train()


def like_a_new_process() -> None:
    """One thread, and nothing of MMEngine's globals that the parent left."""
    torch.set_num_threads(1)
    for manager in (MMLogger, MessageHub, Visualizer, SegLocalVisualizer):
        manager._instance_dict.clear()


def _quiet(function: Callable[..., Any], args: tuple) -> None:
    """Run with one thread; show the traceback of a failure, since the parent cannot."""
    like_a_new_process()
    try:
        function(*args)
    except BaseException:  # noqa: BLE001 - the exit code carries it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _on_rank(rank: int, port: int, function: Callable[..., Any], args: tuple) -> None:
    """Set the environment as ``torchrun`` does, then run."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    _quiet(function, args)
