"""A killed run goes on as if nothing had happened, bit for bit."""

import signal

import pytest
import torch
from mmengine.hooks import Hook

from dts.checkpoints.find import find_newest_checkpoint
from dts.registry import HOOKS
from runs import as_dual_teacher, in_child, make_images, run_config, train


@HOOKS.register_module(force=True)
class NextBatchHook(Hook):
    """Write the batch that the next step would have taken."""

    def after_train(self, runner) -> None:
        batch = next(runner.train_loop.dataloader_iterator)
        labels = [sample.gt_sem_seg.data for sample in batch['data_samples']['labeled']]
        torch.save({'inputs': batch['inputs'], 'labels': labels}, f'{runner.work_dir}/next.pth')


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


def accumulating(config):
    """Four batches per optimizer step; killed between two steps, validated between two others."""
    config.optim_wrapper.accumulative_counts = 4
    config.default_hooks.checkpoint.update(interval=16, save_best='teacher/mIoU')
    config.train_cfg.val_interval = 18
    return config


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'num_workers', 'saved'),
    [
        (mean_teacher, 0, 17),
        (mean_teacher, 2, 17),
        (dual_teacher, 0, 17),
        (faithful_dual_teacher, 0, 17),
        (accumulating, 0, 16),
    ],
)
def test_40_steps_equal_17_steps_a_kill_and_a_resume(tmp_path, method, num_workers, saved):
    make_images(tmp_path)
    # The uninterrupted run has no workers: their number must change nothing either.
    straight = method(run_config(tmp_path, tmp_path / 'straight'))
    straight.custom_hooks = [*straight.custom_hooks, dict(type='dts.NextBatchHook')]
    assert in_child(train, straight) == 0

    loader = dict(train_dataloader=dict(num_workers=num_workers))
    killed = method(run_config(tmp_path, tmp_path / 'killed', **loader))
    killed.custom_hooks = [*killed.custom_hooks, dict(type='dts.KillHook', iteration=21)]
    assert in_child(train, killed) == -signal.SIGKILL

    newest = find_newest_checkpoint(tmp_path / 'killed')
    assert newest.name == f'iter_{saved}.pth'
    resumed = method(run_config(tmp_path, tmp_path / 'killed', **loader))
    resumed.custom_hooks = [*resumed.custom_hooks, dict(type='dts.NextBatchHook')]
    resumed.resume, resumed.load_from = True, str(newest)
    assert in_child(train, resumed) == 0
    expected = everything(tmp_path / 'straight/iter_40.pth')
    assert_equal_bitwise(everything(tmp_path / 'killed/iter_40.pth'), expected)
    expected = torch.load(tmp_path / 'straight/next.pth')
    assert len(expected['labels']) == len(expected['inputs']['unlabeled_strong']) == 2
    assert_equal_bitwise(torch.load(tmp_path / 'killed/next.pth'), expected)
