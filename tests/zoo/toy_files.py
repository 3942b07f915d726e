"""A checkpoint as a run writes it, two networks with weights of their own, and its config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from dts.registry import MODELS
from toys import toy_segmentor_config

CLASSES = dict(classes=['a', 'b', 'c'], palette=[[0, 0, 0], [255, 0, 0], [0, 255, 0]])
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(24, 16), keep_ratio=False),
    dict(type='PackSegInputs'),
]


def write_run(folder: Path, **student: Any) -> tuple[str, str, dict[str, nn.Module]]:
    """Write ``run.py`` and ``iter_8.pth``; return their paths and both networks."""
    config = toy_segmentor_config() | student
    model = dict(type='dts.MeanTeacher', student=config, threshold=0.5)
    Config(dict(model=model, test_pipeline=PIPELINE), format_python_code=False).dump(
        folder / 'run.py'
    )
    networks = {name: MODELS.build(config).eval() for name in ('student', 'teacher')}
    for network in networks.values():
        for name, tensor in network.state_dict().items():
            if name.endswith('running_var'):
                tensor.uniform_(0.5, 2.0)
    teachers = {'teachers': {'teacher': {'state_dict': networks['teacher'].state_dict()}}}
    content = dict(
        meta=dict(dataset_meta={**CLASSES, 'label_map': None}, iter=8, experiment_name='run'),
        state_dict=networks['student'].state_dict(),
        optimizer=dict(state={}, param_groups=[]),
        message_hub={},
        dts=dict(version=1, product='student', student=None, students=['student'], method={})
        | dict(teachers=teachers),
    )
    torch.save(content, folder / 'iter_8.pth')
    return str(folder / 'run.py'), str(folder / 'iter_8.pth'), networks
