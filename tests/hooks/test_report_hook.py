"""The report hook in toy runs."""

from __future__ import annotations

import re

import pytest

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
    config.custom_hooks.append(dict(type='KillHook', iteration=3))
    config.custom_imports = None
    assert in_child(train, config) != 0  # killed between two validations
    html = (tmp_path / 'run/report.html').read_text()
    assert 'validation set at step 2' in html
    assert 'unfinished: last trace at step 2 of 4' in html
    assert 'not asked for (--images 0)' in html


@pytest.mark.slow
def test_final_report_has_pictures_and_none_is_written_before(tmp_path):
    config = toy(tmp_path, num_images=2)
    config.test_dataloader = config.val_dataloader
    config.test_evaluator, config.test_cfg = config.val_evaluator, dict(type='dts.ModelsTestLoop')
    assert in_child(train, config) == 0
    html = (tmp_path / 'run/report.html').read_text()
    assert 'finished, 4 steps' in html
    assert '2 of 10 test images' in html
    assert len(re.findall('<figure>', html)) == 2 * 6
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert log.count('report: ') == 1


def test_missing_packages_are_told_at_the_start(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install plotly jinja2'):
        ReportHook()
