"""A whole toy run: Mean Teacher on random images, through the real runner, sampler and hooks."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine.config import Config
from torch.utils.data import Dataset

from dts.datasets.sampler import SampleIndex
from dts.registry import DATASETS
from dts.runner import Runner
from toys import toy_sample, toy_segmentor_config

NUM_CLASSES = 3
_NUMBERS = itertools.count()  # MMEngine keeps one message hub per experiment name


@DATASETS.register_module(force=True)
class ToyStreams(Dataset):
    """Random images; a sample is a function of its index."""

    metainfo: ClassVar = dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0], [1, 1, 1], [2, 2, 2]])

    def __init__(self, lengths: dict[str, int]) -> None:
        self.streams = {name: range(length) for name, length in lengths.items()}

    def __len__(self) -> int:
        return sum(map(len, self.streams.values()))

    def __getitem__(self, index: SampleIndex) -> dict:
        rng = np.random.default_rng(index.seed)
        if index.stream == 'labeled':
            samples = {'labeled': toy_sample((8, 8), NUM_CLASSES, rng)}
        else:
            weak = toy_sample((8, 8), None, rng)
            strong = dict(inputs=255 - weak['inputs'], data_samples=weak['data_samples'].clone())
            samples = {'unlabeled_weak': weak, 'unlabeled_strong': strong}
        return {
            key: {name: sample[key] for name, sample in samples.items()}
            for key in ('inputs', 'data_samples')
        }


def toy_runner(work_dir: Path, *, iterations: int = 3, **changes: Any) -> Runner:
    """Build a runner that has not started.

    Args:
        work_dir: folder of the run.
        iterations: length of the run.
        changes: ``a__b=c`` sets ``config.a.b`` to ``c``.
    """
    config = Config(
        dict(
            default_scope='mmseg',
            work_dir=str(work_dir),
            experiment_name=f'toy_{next(_NUMBERS)}',
            model=dict(
                type='dts.MeanTeacher',
                student=toy_segmentor_config(NUM_CLASSES, dropout=0.5),
                threshold=0.0,
            ),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=dict(type='dts.ToyStreams', lengths=dict(labeled=5, unlabeled=7)),
                sampler=dict(type='dts.RatioSampler', batch=dict(labeled=2, unlabeled=2)),
                collate_fn=dict(type='dts.collate_branches'),
            ),
            train_cfg=dict(type='dts.TrainLoop', max_iters=iterations),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
            param_scheduler=[dict(type='PolyLR', power=0.9, begin=0, end=10, by_epoch=False)],
            default_hooks=dict(
                checkpoint=dict(type='dts.CheckpointHook', by_epoch=False, interval=1),
                step_seed=dict(type='dts.StepSeedHook'),
                logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
            ),
            custom_hooks=[dict(type='dts.EmaTeacherHook', decay=0.9)],
            log_processor=dict(by_epoch=False),
            log_level='WARNING',
            randomness=dict(seed=1),
        ),
        format_python_code=False,  # yapf takes longer than the run
    )
    config.merge_from_dict({name.replace('__', '.'): value for name, value in changes.items()})
    return Runner.from_cfg(config)
