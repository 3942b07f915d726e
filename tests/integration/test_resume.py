"""A killed run goes on as if nothing had happened, bit for bit."""

import signal

import pytest
import torch
from runs import in_child, make_images, run_config, train


def everything(path):
    """All that decides how the run goes on."""
    checkpoint = torch.load(path, weights_only=True)
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


@pytest.mark.slow
@pytest.mark.parametrize('num_workers', [0, 2])
def test_40_steps_equal_17_steps_a_kill_and_a_resume(tmp_path, num_workers):
    make_images(tmp_path)
    loader = dict(train_dataloader=dict(num_workers=num_workers))
    straight = run_config(tmp_path, tmp_path / 'straight', **loader)
    assert in_child(train, straight) == 0

    # The reference run has no workers: their number must change nothing either.
    alone = run_config(tmp_path, tmp_path / 'alone')
    killed = run_config(tmp_path, tmp_path / 'killed', **loader)
    killed.custom_hooks = [*killed.custom_hooks, dict(type='dts.KillHook', iteration=17)]
    assert in_child(train, killed) == -signal.SIGKILL
    assert sorted(p.name for p in (tmp_path / 'killed').glob('iter_*.pth'))[-1] == 'iter_17.pth'

    resumed = run_config(tmp_path, tmp_path / 'killed', **loader)
    resumed.resume, resumed.load_from = True, str(tmp_path / 'killed/iter_17.pth')
    assert in_child(train, resumed) == 0
    expected = everything(tmp_path / 'straight/iter_40.pth')
    assert_equal_bitwise(everything(tmp_path / 'killed/iter_40.pth'), expected)
    if num_workers:
        assert in_child(train, alone) == 0
        assert_equal_bitwise(everything(tmp_path / 'alone/iter_40.pth'), expected)
