"""The learning rate follows the global batch, and the log says so."""

import pytest

from toy_run import toy_runner


@pytest.mark.parametrize('world_size', [1, 3])
def test_learning_rate_follows_the_images_of_all_processes(tmp_path, monkeypatch, world_size):
    scale = dict(enable=True, base_batch_size=16)
    runner = toy_runner(tmp_path, iterations=1, auto_scale_lr=scale, param_scheduler=None)
    runner._world_size = world_size
    messages = []
    monkeypatch.setattr(runner.logger, 'info', lambda message, *args: messages.append(message))
    runner.train()
    ratio = world_size * 4 / 16  # 2 labelled and 2 unlabelled images per process
    assert [group['lr'] for group in runner.optim_wrapper.param_groups] == [0.01 * ratio]
    (said,) = [message for message in messages if 'LR is set' in message]
    assert f'batch size of 16 and the current batch size is {4 * world_size}' in said
    assert f'Scaling the original LR by {ratio}' in said


def test_learning_rate_follows_the_images_of_an_optimizer_step(tmp_path):
    """Four iterations of 4 images make the step that one of 16 would."""
    scale = dict(enable=True, base_batch_size=16)
    runner = toy_runner(
        tmp_path,
        iterations=4,
        auto_scale_lr=scale,
        param_scheduler=None,
        optim_wrapper__accumulative_counts=4,
        default_hooks__checkpoint__interval=4,
    )
    runner.train()
    assert [group['lr'] for group in runner.optim_wrapper.param_groups] == [0.01]
    assert scale == dict(enable=True, base_batch_size=16)
