"""bfloat16 autocast trains as float32 does."""

import json
from contextlib import nullcontext

import pytest
import torch

from dts.amp import CpuAmpOptimWrapper
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from dts.teachers.teacher import Teacher
from dts.teachers.train_mode import TrainModeTeacher
from runs import in_child, make_images, run_config, train
from toys import batch_of_two_views, toy_segmentor_config


def last_losses(folder):
    (log,) = folder.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line['loss'] for line in lines if 'loss' in line][-10:]


@pytest.mark.slow
def test_loss_after_50_steps_is_within_2_percent_of_float32(tmp_path):
    make_images(tmp_path)
    means = {}
    for name, wrapper in (('fp32', 'OptimWrapper'), ('bf16', 'dts.CpuAmpOptimWrapper')):
        config = run_config(
            tmp_path,
            tmp_path / name,
            optim_wrapper=dict(type=wrapper),
            train_cfg=dict(max_iters=50, val_interval=1000),
        )
        config.default_hooks.logger.interval = 1
        config.default_hooks.checkpoint.interval = 1000
        assert in_child(train, config) == 0
        losses = last_losses(tmp_path / name)
        means[name] = sum(losses) / len(losses)
    assert means['bf16'] != means['fp32']
    assert means['bf16'] == pytest.approx(means['fp32'], rel=0.02)


@pytest.mark.parametrize(
    ('name', 'active'),
    [
        ('DualTeacher', 0),
        ('DualTeacher', 1),
        ('FaithfulDualTeacher', 0),
        ('FaithfulDualTeacher', 1),
        ('UniMatch', 0),
        ('CrossPseudoSupervision', 0),
        ('CrossPseudoSupervision with CutMix', 0),
    ],
)
def test_gradients_of_a_step_are_close_to_those_of_float32(name, active):
    gradients = []
    for is_bfloat16 in (False, True):
        torch.manual_seed(0)
        config = dict(type=f'dts.{name.partition(" ")[0]}', student=toy_segmentor_config())
        if name.endswith('CutMix'):
            config['mix'] = dict(type='dts.HalfCutMix')
        elif name != 'CrossPseudoSupervision':
            config['threshold'] = 0.34
        method = MODELS.build(config).train()
        teacher_type = TrainModeTeacher if name == 'FaithfulDualTeacher' else Teacher
        names = ['teacher.0', 'teacher.1']
        bank = TeacherBank.from_student(method.student, names, teacher_type)
        bank.active = names[active]
        method.attach_teachers(bank)
        wrapper = CpuAmpOptimWrapper(optimizer=torch.optim.SGD(method.parameters(), lr=0.1))
        data = method.data_preprocessor(batch_of_two_views(2), training=True)
        torch.manual_seed(1)
        with wrapper.optim_context(method) if is_bfloat16 else nullcontext():
            losses = method(**data, mode='loss')
        assert all(value.dtype == torch.float32 for value in losses.values())
        method.parse_losses(losses)[0].backward()
        gradients.append(torch.cat([p.grad.flatten() for p in method.parameters()]))
    exact, rounded = gradients
    assert not torch.equal(exact, rounded)
    # not only rounding: a few pixels get another label
    assert (rounded - exact).norm() < 0.1 * exact.norm()
