"""bfloat16 autocast trains as float32 does."""

import json

import pytest

from runs import in_child, make_images, run_config, train


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
