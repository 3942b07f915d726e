"""Options of tools/train.py: what they make of a config."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from mmengine.config import Config

from dts.config import load_config

LOCAL, TENSORBOARD = dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')


@pytest.fixture
def tool(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool as a module that finds every package."""
    spec = importlib.util.spec_from_file_location('train_tool', repository / 'tools/train.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: name))
    monkeypatch.setattr(module, 'importlib', found)
    return module


def test_tensorboard_is_added_to_the_log_of_the_config(tool: ModuleType, repository: Path) -> None:
    cfg = load_config(repository / 'configs/_base_/runtime.py')
    tool.add_tensorboard(cfg)
    assert cfg.visualizer == dict(
        type='SegLocalVisualizer', name='visualizer', vis_backends=[LOCAL, TENSORBOARD]
    )
    tool.add_tensorboard(cfg)
    assert cfg.visualizer.vis_backends == [LOCAL, TENSORBOARD]  # MMEngine refuses a second one


def test_tensorboard_without_a_visualizer_keeps_what_mmengine_builds(tool: ModuleType) -> None:
    cfg = Config()
    tool.add_tensorboard(cfg)
    assert cfg.visualizer == dict(type='Visualizer', vis_backends=[LOCAL, TENSORBOARD])


def test_missing_tensorboard_is_told_with_the_command(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool.importlib.util, 'find_spec', lambda _: None)
    cfg = Config()
    with pytest.raises(ValueError, match=r'--tensorboard needs .*: pip install tensorboard'):
        tool.add_tensorboard(cfg)
    assert 'visualizer' not in cfg


def test_report_keeps_what_the_config_says_of_it(tool: ModuleType) -> None:
    cfg = Config(dict(default_hooks=dict(logger=dict(interval=5))))
    tool.add_report(cfg)
    assert cfg.default_hooks == dict(logger=dict(interval=5), report=dict(type='dts.ReportHook'))
    cfg.merge_from_dict({'default_hooks.report.every_validation': True})
    tool.add_report(cfg)
    assert cfg.default_hooks.report == dict(type='dts.ReportHook', every_validation=True)


def test_every_config_ends_its_learning_rate_with_the_run(
    tool: ModuleType, repository: Path
) -> None:
    for file in sorted((repository / 'configs/_base_/schedules').glob('*.py')):
        assert tool.schedule_note(load_config(file)) == '', file.name


def test_a_schedule_that_outlives_the_run_is_told(tool: ModuleType, repository: Path) -> None:
    cfg = load_config(repository / 'configs/_base_/schedules/adamw_400.py')
    cfg.merge_from_dict({'train_cfg.max_iters': 200})
    assert 'has 200 steps, its learning-rate schedule ends at 400' in tool.schedule_note(cfg)
    cfg.merge_from_dict({'param_scheduler.1.end': 200})
    assert tool.schedule_note(cfg) == ''
    cfg.param_scheduler[1].end = 201  # the last value is reached one step before `end`
    assert tool.schedule_note(cfg) == ''
    del cfg.param_scheduler[1]  # a warm-up, then a constant rate
    assert tool.schedule_note(cfg) == ''
