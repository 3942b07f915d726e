"""A whole step never asks the device for a value and never mixes devices."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from dts.teachers.ema import EmaMotion
from toys import toy_batch, toy_segmentor_config

MODEL_FILES = Path(__file__).parents[2] / 'configs/_base_/models'


def student(name: str) -> dict:
    if name == 'toy':
        return toy_segmentor_config()
    config = Config.fromfile(MODEL_FILES / f'{name}.py', format_python_code=False).model
    config.backbone.init_cfg = None
    config.data_preprocessor.pop('size', None)
    config.data_preprocessor.size_divisor = 1
    for head in (config.decode_head, config.get('auxiliary_head')):
        if head is not None:
            head.num_classes = 3
    return config


def step(method_type: str, name: str, **kwargs) -> dict[str, torch.Tensor]:
    """Forward, backward, optimizer and EMA under fake tensors on a device without data."""
    criterion = dict(type='dts.CrossEntropy', class_weight=[1.0, 2.0, 3.0])
    config = dict(type=method_type, student=student(name), criterion=criterion, **kwargs)
    method = MODELS.build(config).train().to('meta')
    bank = TeacherBank.from_student(method.student, ['teacher'])
    method.attach_teachers(bank)
    motion = EmaMotion(bank['teacher'], method.student, decay=0.9)
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    batch = toy_batch(size=(64, 64))
    with FakeTensorMode(allow_non_fake_inputs=True):
        for part in batch.values():
            for branch, values in part.items():
                part[branch] = [value.to('meta') for value in values]
        logged = method.train_step(batch, wrapper)
        motion.update(0)
    return logged


@pytest.mark.parametrize('method_type', ['dts.Supervised', 'dts.MeanTeacher'])
@pytest.mark.parametrize(
    'name',
    [
        'toy',
        'fpn_lite0',
        pytest.param('segformer_mit-b0', marks=pytest.mark.slow),
        pytest.param('deeplabv3plus_r18', marks=pytest.mark.slow),
    ],
)
def test_step_runs_on_tensors_without_data(method_type, name):
    logged = step(method_type, name)
    assert all(value.device.type == 'meta' for value in logged.values())


def test_a_host_sync_would_be_caught(monkeypatch):
    from dts.methods import mean_teacher

    def syncing(*args):
        return torch.tensor(float(args[0].confidence.sum().item()))

    monkeypatch.setattr(mean_teacher, 'accepted_ratio', syncing)
    with pytest.raises(Exception, match='_local_scalar_dense'):
        step('dts.MeanTeacher', 'toy')
