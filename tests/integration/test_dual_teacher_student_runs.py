"""Whole runs of two groups over self-training with all switches on: ranks, resume, devices."""

import signal

import pytest
import torch
from mmengine.optim import OptimWrapper
from test_devices import student as student_of
from test_ranks import flat, states
from test_resume import assert_equal_bitwise, everything
from test_self_training_runs import adaptation, dumped
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.checkpoints.find import find_newest_checkpoint
from dts.evaluation.checkpoint_models import checkpoint_states
from dts.registry import MODELS
from dts.report.logged import read_logged
from dts.teachers.bank import TeacherBank
from dts.teachers.ema import EmaMotion
from runs import in_child, make_images, on_ranks, run_config, train
from toys import strip_data, uda_batch


def groups(config, start_iter=0, **kwargs):
    """Turn a run of self-training into one of two groups."""
    config.model = dict(type='dts.DualTeacherStudent', host=config.model, **kwargs)
    ema, *others = config.custom_hooks
    hook = dict(type='dts.GroupTeachersHook', teacher=ema, start_iter=start_iter)
    config.custom_hooks = [hook, *others]
    return config


def is_refused(config, message):
    """Train, and expect a ValueError."""
    with pytest.raises(ValueError, match=message):
        train(config)


@pytest.mark.slow
@pytest.mark.parametrize('start_iter', [0, 7])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, start_iter):
    make_images(tmp_path)

    def run(name):
        config = adaptation(tmp_path, tmp_path / name, train_cfg=dict(max_iters=12))
        config.default_hooks.checkpoint.interval = 6
        return groups(config, start_iter)

    assert in_child(train, run('straight')) == 0
    killed = run('killed')
    killed.custom_hooks = [*killed.custom_hooks, dict(type='dts.KillHook', iteration=9)]
    assert in_child(train, killed) == -signal.SIGKILL
    resumed = run('killed')
    resumed.resume = True
    resumed.load_from = str(find_newest_checkpoint(tmp_path / 'killed'))
    assert in_child(train, resumed) == 0
    one, two = (tmp_path / name / 'iter_12.pth' for name in ('killed', 'straight'))
    assert_equal_bitwise(everything(one), everything(two))
    networks = checkpoint_states(str(two))
    assert set(networks) == {'student', 'student_2', 'teacher', 'teacher_2'}
    assert_equal_bitwise(
        dict(checkpoint_states(str(one))['student_2']), dict(networks['student_2'])
    )
    weights = [network['backbone.layers.0.0.projection.weight'] for network in networks.values()]
    assert not torch.equal(weights[0], weights[1])


@pytest.mark.slow
def test_validation_in_between_changes_nothing(tmp_path):
    make_images(tmp_path)
    for name in ('watched', 'alone'):
        config = adaptation(tmp_path, tmp_path / name, train_cfg=dict(max_iters=6, val_interval=2))
        config.default_hooks.checkpoint.interval = 6
        if name == 'watched':
            plain = run_config(tmp_path, tmp_path / name)
            for key in ('val_cfg', 'val_dataloader', 'val_evaluator'):
                config[key] = plain[key]
            config.val_cfg.models = ['student_2', 'teacher_2', 'mean']
        assert in_child(train, groups(config)) == 0
    assert list(read_logged(tmp_path / 'watched').val['teacher_2/mIoU']) == [2, 4, 6]
    one, two = (tmp_path / name / 'iter_6.pth' for name in ('watched', 'alone'))
    assert_equal_bitwise(everything(one), everything(two))
    second, expected = (dict(checkpoint_states(str(file))['student_2']) for file in (one, two))
    assert_equal_bitwise(second, expected)


@pytest.mark.slow
def test_two_ranks_agree_and_one_group_at_a_time_is_the_same(tmp_path):
    make_images(tmp_path)
    found = {}
    for name, wrapper in (
        ('sum', 'MMDistributedDataParallel'),
        ('sequence', 'dts.SequentialDistributedDataParallel'),
    ):
        config = adaptation(tmp_path, tmp_path / name, train_cfg=dict(max_iters=3))
        config.optim_wrapper.optimizer = dict(type='SGD', lr=0.05)
        config.model_wrapper_cfg = dict(type=wrapper)
        config = groups(config, sequential=name == 'sequence')
        on_ranks(train, dumped(config, tmp_path / name))
        first, second = (flat(state) for state in states(tmp_path / name))
        for key, value in first.items():
            assert torch.equal(value, second[key]), key
        found[name] = first
    assert any(key.startswith('teacher_2') for key in found['sum'])
    torch.testing.assert_close(found['sequence'], found['sum'], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_wrappers_that_do_not_fit_are_refused(tmp_path):
    make_images(tmp_path)
    for name, options, message in (
        ('rests', dict(start_iter=5), 'set find_unused_parameters=True'),
        ('sequence', dict(sequential=True), 'needs model_wrapper_cfg'),
    ):
        config = groups(adaptation(tmp_path, tmp_path / name), **options)
        on_ranks(is_refused, config, message)
    config = groups(adaptation(tmp_path, tmp_path / 'fits', train_cfg=dict(max_iters=7)), 5)
    config.find_unused_parameters = True
    on_ranks(train, config)


@pytest.mark.parametrize('exchange', ['cross', 'mean', 'both'])
def test_a_step_runs_on_tensors_without_data(exchange):
    host = dict(
        type='dts.SelfTraining',
        student=student_of('toy'),
        color=dict(type='dts.ColorAugmentation'),
        masking=dict(block_size=16),
    )
    config = dict(type='dts.DualTeacherStudent', host=host, exchange=exchange)
    method = MODELS.build(config).train().to('meta')
    motions = []
    for student in method.students:
        names = [student.replace('student', 'teacher')]
        bank = TeacherBank.from_student(method.students[student], names)
        method.attach_teachers(bank, student)
        motions.append(EmaMotion(bank[names[0]], method.students[student], decay=0.9))
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    batch = uda_batch(size=(64, 64))
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(batch)
        logged = method.train_step(batch, wrapper)
        for motion in motions:
            motion.update(0)
    assert all(value.device.type == 'meta' for value in logged.values())
