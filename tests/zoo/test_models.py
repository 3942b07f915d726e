"""Segmentors by name, their stock configs, and the address ``dts-zoo://``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from indexes import entry, use_index
from mmengine.config import Config
from mmseg.apis import inference_model
from torch import nn

import dts.zoo
from dts.models.strict_pretrained import StrictPretrained
from dts.registry import MODELS
from dts.segmentor import decode_logits
from dts.zoo.models import config_file
from dts.zoo.stock import stock_config
from toys import toy_segmentor_config

CLASSES = dict(classes=['a', 'b', 'c'], palette=[[0, 0, 0], [1, 1, 1], [2, 2, 2]])


def teacher_student(student: Any) -> dict[str, Any]:
    """A config as runs have it, for more classes than the default."""
    return dict(
        model=dict(type='dts.MeanTeacher', student=student, threshold=0.5), default_scope='mmseg'
    )


@pytest.fixture
def network() -> nn.Module:
    """A toy with random weights."""
    return MODELS.build(toy_segmentor_config()).eval()


@pytest.fixture
def zoo(tmp_path: Path, network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of that toy, as ``model`` and as ``backbone``."""
    folder = tmp_path / 'zoo'
    folder.mkdir()
    content = dict(state_dict=network.state_dict(), meta=dict(dataset_meta=CLASSES))
    torch.save(content, folder / 'model.pth')
    torch.save(network.backbone.state_dict(), folder / 'backbone.pth')
    Config(teacher_student(toy_segmentor_config()), format_python_code=False).dump(
        tmp_path / 'run.py'
    )
    use_index(
        monkeypatch,
        tmp_path,
        entry('model', folder / 'model.pth', kind='model', config=str(tmp_path / 'run.py')),
        entry('backbone', folder / 'backbone.pth'),
    )
    return folder


@torch.no_grad()
def test_model_scores_as_the_one_that_was_saved(zoo: Path, network: nn.Module) -> None:
    loaded = dts.zoo.load('model')
    assert not any(module.training for module in loaded.modules())
    assert loaded.dataset_meta == CLASSES
    images = torch.randn(1, 3, 16, 16)
    expected = decode_logits(network, images)
    torch.testing.assert_close(decode_logits(loaded, images), expected, rtol=0, atol=0)
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert inference_model(loaded, image).pred_sem_seg.shape == (16, 16)


def test_backbone_is_no_model(zoo: Path) -> None:
    with pytest.raises(ValueError, match=r'backbone is a backbone.*dts-zoo://backbone'):
        dts.zoo.load('backbone')


def test_file_of_another_network_is_refused(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = entry('model', zoo / 'backbone.pth', kind='model', config=str(tmp_path / 'run.py'))
    use_index(monkeypatch, tmp_path, facts)
    with pytest.raises(ValueError, match=r'backbone\.pth does not fit the network of the config'):
        dts.zoo.load('model')


def test_backbone_starts_from_an_address_of_the_zoo(zoo: Path, network: nn.Module) -> None:
    other = MODELS.build(toy_segmentor_config()).backbone
    StrictPretrained('dts-zoo://backbone')(other)
    torch.testing.assert_close(other.state_dict(), network.backbone.state_dict(), rtol=0, atol=0)
    with pytest.raises(ValueError, match="nothing named 'bakbone'"):
        StrictPretrained('dts-zoo://bakbone')(other)


def test_stock_config_needs_no_weights_and_no_training() -> None:
    student = toy_segmentor_config()
    student.backbone = dict(
        type='mmseg.ResNetV1c', depth=18, init_cfg=dict(type='Pretrained', checkpoint='gone')
    )
    student.pretrained = 'gone'
    cfg = stock_config(Config(teacher_student(student)))
    assert 'gone' not in str(cfg)
    assert set(cfg) == {'default_scope', 'model', 'test_pipeline'}
    assert cfg.model.type == 'mmseg.EncoderDecoder'
    assert [step.type for step in cfg.test_pipeline] == ['LoadImageFromFile', 'PackSegInputs']
    assert student.backbone.init_cfg.checkpoint == 'gone'  # the original is left alone


def test_stock_config_imports_dts_for_parts_of_ours_alone(repository: Path) -> None:
    assert stock_config(Config(teacher_student(toy_segmentor_config()))).custom_imports.imports == [
        'dts.all'
    ]  # the toy backbone
    models = repository / 'configs/_base_/models'
    for name, imports in (('segformer_mit-b0', False), ('fpn_lite0', True)):
        cfg = stock_config(Config.fromfile(models / f'{name}.py', format_python_code=False))
        assert ('custom_imports' in cfg) is imports


def test_configs_are_found_by_their_path_in_the_repository(repository: Path) -> None:
    name = 'configs/_base_/models/hrda_mit-b5.py'
    assert config_file(name) == repository / name
    with pytest.raises(FileNotFoundError, match=r'no configs/gone\.py in'):
        config_file('configs/gone.py')
