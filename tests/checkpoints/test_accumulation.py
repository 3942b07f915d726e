"""Files between two optimizer steps are neither written nor resumed from."""

from __future__ import annotations

import pytest

from dts.hooks.checkpoint import CheckpointHook
from toy_run import toy_runner

COUNTS = 'optim_wrapper__accumulative_counts'
INTERVAL = 'default_hooks__checkpoint__interval'


@pytest.mark.parametrize(
    ('interval', 'counts', 'choices'), [(6, 4, '4 or 8'), (2, 4, '4'), (7, 3, '6 or 9')]
)
def test_interval_between_two_steps_is_refused_with_the_next_ones(
    tmp_path, interval, counts, choices
):
    runner = toy_runner(tmp_path, iterations=9, **{COUNTS: counts, INTERVAL: interval})
    with pytest.raises(ValueError, match=rf'checkpoint\.interval={interval} .*to {choices}$'):
        runner.train()
    assert runner.iter == 0
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('interval', [-1, 4, 6, 1000])
def test_files_of_whole_steps_are_written(tmp_path, interval):
    """The last iteration is always a step, however many batches it gathers."""
    toy_runner(tmp_path, iterations=6, **{COUNTS: 4, INTERVAL: interval}).train()
    written = {path.name for path in tmp_path.glob('*.pth')}
    assert written == {'iter_6.pth'} | ({'iter_4.pth'} if interval == 4 else set())


def test_resume_between_two_steps_is_refused(tmp_path):
    toy_runner(tmp_path, iterations=3).train()
    resume = dict(resume=True, load_from=str(tmp_path / 'iter_2.pth'))
    changed = toy_runner(tmp_path, iterations=8, **{COUNTS: 4, INTERVAL: 4}, **resume)
    with pytest.raises(ValueError, match=r'at iteration 2: .*counts=4 .*multiple of 4'):
        changed.train()
    resume['load_from'] = str(tmp_path / 'iter_3.pth')
    toy_runner(tmp_path, iterations=8, **{COUNTS: 3, INTERVAL: 3}, **resume).train()
    # Nothing is left to do, so nothing is lost.
    resume['load_from'] = str(tmp_path / 'iter_8.pth')
    toy_runner(tmp_path, iterations=8, **{COUNTS: 3, INTERVAL: 3}, **resume).train()


def test_no_file_is_written_for_a_best_score_between_two_steps(tmp_path):
    changes = {COUNTS: 4, INTERVAL: 4, 'default_hooks__checkpoint__save_best': 'student/mIoU'}
    runner = toy_runner(tmp_path, iterations=8, **changes)
    runner.train()
    checkpoint = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    for iteration, written in ((10, ['iter_4', 'iter_8']), (12, ['iter_12', 'iter_4', 'iter_8'])):
        runner.train_loop._iter = runner.optim_wrapper._inner_count = iteration
        checkpoint.after_val_epoch(runner, {'student/mIoU': 40.0 + iteration})
        best = f'best_student_mIoU_iter_{iteration}'
        assert sorted(path.stem for path in tmp_path.glob('*.pth')) == [best, *written]
