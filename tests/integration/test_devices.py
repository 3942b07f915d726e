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
from dts.teachers.teacher import Teacher
from dts.teachers.train_mode import TrainModeTeacher
from toys import batch_of_two_views, strip_data, toy_segmentor_config, uda_batch

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


def step(method_type: str, name: str, active: int = 0, **kwargs) -> dict[str, torch.Tensor]:
    """Forward, backward, optimizer and EMA under fake tensors on a device without data."""
    criterion = dict(type='dts.CrossEntropy', class_weight=[1.0, 2.0, 3.0])
    config = dict(type=method_type, student=student(name), criterion=criterion, **kwargs)
    method = MODELS.build(config).train().to('meta')
    teacher_type = TrainModeTeacher if 'Faithful' in method_type else Teacher
    bank = TeacherBank.from_student(method.student, ['teacher.0', 'teacher.1'], teacher_type)
    bank.active = f'teacher.{active}'
    method.attach_teachers(bank)
    motion = EmaMotion(bank[bank.active], method.student, decay=0.9)
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    is_uda = method_type == 'dts.SelfTraining'
    batch = uda_batch(size=(64, 64)) if is_uda else batch_of_two_views(2, size=(64, 64))
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(batch)
        logged = method.train_step(batch, wrapper)
        motion.update(0)
    return logged


CUTMIX = dict(mix=dict(type='dts.CutMix'))
METHODS = {
    'dts.Supervised': {},
    'dts.MeanTeacher': CUTMIX,
    'dts.DualTeacher': {},
    'dts.FaithfulDualTeacher': {},
    'dts.UniMatch': {},
    'dts.UniMatchV2': {},
    'dts.CrossPseudoSupervision': CUTMIX,
    'dts.CutMixSeg': CUTMIX,
    'dts.SelfTraining': dict(color=dict(type='dts.ColorAugmentation'), masking=dict(block_size=16)),
}


# Every method on a small network; networks of the configs with a method that mixes and one that
# drops features: what asks the device for a value lies in a method or in a network, not in a pair.
CASES = [(method_type, 'toy') for method_type in METHODS] + [
    pytest.param(method_type, name, marks=pytest.mark.slow)
    for method_type in ('dts.MeanTeacher', 'dts.UniMatch')
    for name in ('fpn_lite0', 'segformer_mit-b0', 'deeplabv3plus_r18')
]


@pytest.mark.parametrize(('method_type', 'name'), CASES)
def test_step_runs_on_tensors_without_data(method_type, name):
    logged = step(method_type, name, **METHODS[method_type])
    assert all(value.device.type == 'meta' for value in logged.values())


@pytest.mark.parametrize('method_type', ['dts.MeanTeacher', 'dts.DualTeacher'])
def test_classes_of_labeled_images_are_pasted_on_tensors_without_data(method_type):
    assert step(method_type, 'toy', labeled_mix=0.5)['loss'].device.type == 'meta'


@pytest.mark.parametrize('method_type', ['dts.DualTeacher', 'dts.FaithfulDualTeacher'])
def test_turns_of_the_second_teacher_run_on_tensors_without_data(method_type):
    assert step(method_type, 'toy', active=1)['loss'].device.type == 'meta'


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('fpn_lite0', 'block_skip'),
        ('fpn_lite0', 'stage_skip'),
        ('segformer_mit-b0', 'drop_path'),
    ],
)
def test_sub_networks_run_on_tensors_without_data(name, kind):
    logged = step('dts.DualTeacher', name, sub_network=kind, sub_network_rate=0.5)
    assert logged['loss'].device.type == 'meta'


def test_a_host_sync_would_be_caught(monkeypatch):
    from dts.methods import base

    def syncing(*args):
        return torch.tensor(float(args[0].confidence.sum().item()))

    monkeypatch.setattr(base, 'accepted_ratio', syncing)
    with pytest.raises(Exception, match='_local_scalar_dense'):
        step('dts.MeanTeacher', 'toy')
