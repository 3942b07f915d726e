"""Options of tools/test.py: what they make of a config."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mmengine.config import Config

LABELED = [dict(type='dts.LoadImage'), dict(type='dts.LoadLabels'), dict(type='PackSegInputs')]
UNLABELED = [dict(type='dts.LoadImage'), dict(type='PackSegInputs')]
TTA = [
    dict(type='dts.LoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=factor) for factor in (0.5, 1.0)],
            [dict(type='dts.LoadLabels')],
            [dict(type='PackSegInputs')],
        ],
    ),
]


@pytest.fixture
def tool(repository: Path) -> ModuleType:
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location('test_tool', repository / 'tools/test.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_config() -> Config:
    """A config with everything that the options name."""
    return Config(
        dict(
            model=dict(student=dict(type='EncoderDecoder')),
            test_dataloader=dict(dataset=dict(name='val', pipeline=LABELED)),
            source_test_dataloader=dict(dataset=dict(name='source', pipeline=LABELED)),
            submit_dataloader=dict(dataset=dict(name='server', pipeline=UNLABELED)),
            test_evaluator=dict(type='dts.SegmentationMetric'),
            tta_model=dict(type='SegTTAModel'),
            tta_pipeline=TTA,
        )
    )


def apply(tool: ModuleType, cfg: Config, **options: Any) -> Config:
    """Apply options of the command line."""
    defaults = dict(tta=False, submit=False, label_ids=False, out=None, show_dir=None, models=None)
    args = Namespace(config='c.py', checkpoint='c.pth', **{**defaults, **options})
    tool.set_evaluation(cfg, args)
    return cfg


def test_by_default_target_and_source_are_scored(tool: ModuleType) -> None:
    cfg = apply(tool, make_config())
    assert cfg.test_dataloader.dataset.name == 'val'
    assert cfg.source_test_dataloader.dataset.name == 'source'
    assert cfg.test_evaluator.type == 'dts.SegmentationMetric'
    assert cfg.test_cfg.label_ids is False


def test_submit_predicts_the_images_of_the_server_and_scores_nothing(tool: ModuleType) -> None:
    cfg = apply(tool, make_config(), submit=True, out='o', label_ids=True)
    assert cfg.test_dataloader.dataset.name == 'server'
    assert cfg.test_evaluator == []
    assert cfg.source_test_dataloader is None
    assert cfg.test_cfg.out_dir == 'o'
    assert cfg.test_cfg.label_ids is True


def test_tta_is_used_for_target_and_source(tool: ModuleType) -> None:
    cfg = apply(tool, make_config(), tta=True)
    assert cfg.test_dataloader.dataset.pipeline == TTA
    assert cfg.source_test_dataloader.dataset.pipeline == TTA
    assert cfg.model.tta.type == 'SegTTAModel'


def test_tta_on_a_test_server_loads_no_labels(tool: ModuleType) -> None:
    cfg = apply(tool, make_config(), tta=True, submit=True, out='o')
    load, augment = cfg.test_dataloader.dataset.pipeline
    assert load == TTA[0]
    assert augment.transforms == [TTA[1]['transforms'][0], TTA[1]['transforms'][2]]
    assert cfg.test_dataloader.dataset.name == 'server'


def test_mistakes_are_named(tool: ModuleType) -> None:
    for option in ('submit', 'label_ids'):
        with pytest.raises(ValueError, match='--out FOLDER'):
            apply(tool, make_config(), **{option: True})
    cfg = make_config()
    cfg.pop('submit_dataloader')
    with pytest.raises(ValueError, match=r'c\.py has no submit_dataloader'):
        apply(tool, cfg, submit=True, out='o')
    cfg.pop('tta_model')
    with pytest.raises(ValueError, match=r'has no tta_pipeline and tta_model'):
        apply(tool, cfg, tta=True)
