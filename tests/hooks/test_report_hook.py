"""The report hook in toy runs."""

from __future__ import annotations

import re

import pytest
from mmengine.runner import Runner

from dts.hooks.report import ReportHook
from runs import in_child, make_images, run_config, train


def toy(tmp_path, **hook):
    make_images(tmp_path)
    config = run_config(tmp_path, tmp_path / 'run')
    config.custom_hooks.append(dict(type='dts.ReportHook', **hook))
    config.train_cfg.update(max_iters=4, val_interval=2)
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = 4
    return config


@pytest.mark.slow
def test_report_is_renewed_after_every_validation_without_networks(tmp_path):
    config = toy(tmp_path, every_validation=True)
    config.custom_hooks.append(dict(type='dts.KillHook', iteration=3))
    assert in_child(train, config) == -9  # killed between two validations
    html = (tmp_path / 'run/report.html').read_text()
    assert 'validation set at step 2' in html
    assert 'unfinished: last trace at step 2 of 4' in html
    assert 'not asked for (--images 0)' in html


def train_and_test(config) -> None:
    """What tools/train.py does with final_test=True."""
    runner = Runner.from_cfg(config)
    runner.train()
    runner.test()


@pytest.mark.slow
@pytest.mark.parametrize('final_test', [False, True])
def test_final_report_runs_the_networks_once(tmp_path, final_test):
    config = toy(tmp_path, num_images=2)
    config.test_dataloader = config.val_dataloader
    config.test_evaluator, config.test_cfg = config.val_evaluator, dict(type='dts.ModelsTestLoop')
    config.final_test = final_test
    assert in_child(train_and_test if final_test else train, config) == 0
    html = (tmp_path / 'run/report.html').read_text()
    assert 'finished, 4 steps' in html
    assert '2 of 10 test images' in html
    assert len(re.findall('<figure>', html)) == 2 * 6
    assert ('test set (test.json)' in html) == final_test
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert log.count('report: ') == 1 + final_test
    assert log.count('Loads checkpoint') == 1


def test_missing_packages_are_told_at_the_start(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install plotly jinja2'):
        ReportHook()
