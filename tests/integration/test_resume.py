"""A killed run goes on as if nothing had happened, bit for bit."""

import signal

import pytest
import torch

from dts.checkpoints.find import find_newest_checkpoint
from runs import as_dual_teacher, in_child, make_images, run_config, train


def everything(path):
    """All that decides how the run goes on."""
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint['dts']['teachers']['active']
    return {
        'student': checkpoint['state_dict'],
        'teachers': checkpoint['dts']['teachers'],
        'optimizer': checkpoint['optimizer'],
        'schedules': checkpoint['param_schedulers'],
    }


def assert_equal_bitwise(actual, expected, where=''):
    assert type(actual) is type(expected), where
    if isinstance(actual, torch.Tensor):
        assert torch.equal(actual, expected), where
    elif isinstance(actual, dict):
        assert actual.keys() == expected.keys(), where
        for key in actual:
            assert_equal_bitwise(actual[key], expected[key], f'{where}.{key}')
    elif isinstance(actual, (list, tuple)):
        assert len(actual) == len(expected), where
        for index, (a, b) in enumerate(zip(actual, expected, strict=True)):
            assert_equal_bitwise(a, b, f'{where}[{index}]')
    else:
        assert actual == expected, where


def mean_teacher(config):
    return config


def dual_teacher(config):
    return as_dual_teacher(config, shift=7)  # killed and resumed in the middle of a shift


def faithful_dual_teacher(config):
    """Teachers in train mode with statistics and dropout of their own."""
    config = dual_teacher(config)
    config.model = dict(type='dts.FaithfulDualTeacher', student=config.model.student, threshold=0.4)
    config.custom_hooks[0].update(teacher_mode='train', buffers='own')
    return config


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'num_workers'),
    [(mean_teacher, 0), (mean_teacher, 2), (dual_teacher, 0), (faithful_dual_teacher, 0)],
)
def test_40_steps_equal_17_steps_a_kill_and_a_resume(tmp_path, method, num_workers):
    make_images(tmp_path)
    # The uninterrupted run has no workers: their number must change nothing either.
    straight = method(run_config(tmp_path, tmp_path / 'straight'))
    assert in_child(train, straight) == 0

    loader = dict(train_dataloader=dict(num_workers=num_workers))
    killed = method(run_config(tmp_path, tmp_path / 'killed', **loader))
    killed.custom_hooks = [*killed.custom_hooks, dict(type='dts.KillHook', iteration=20)]
    assert in_child(train, killed) == -signal.SIGKILL

    newest = find_newest_checkpoint(tmp_path / 'killed')
    assert newest.name == 'iter_17.pth'
    resumed = method(run_config(tmp_path, tmp_path / 'killed', **loader))
    resumed.resume, resumed.load_from = True, str(newest)
    assert in_child(train, resumed) == 0
    expected = everything(tmp_path / 'straight/iter_40.pth')
    assert_equal_bitwise(everything(tmp_path / 'killed/iter_40.pth'), expected)
