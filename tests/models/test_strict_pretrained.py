"""Pretrained weights that do not fit are an error, and those that fit arrive."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from torch import Tensor, nn

from dts.models.strict_pretrained import StrictPretrained
from dts.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs'
STRICT = 'dts.StrictPretrained'


class Block(BaseModule):
    """A convolution and BatchNorm, which MMEngine initializes after what surrounds it."""

    def __init__(self) -> None:
        super().__init__(init_cfg=dict(type='Constant', layer=['Conv2d', 'BatchNorm2d'], val=9.0))
        self.conv = nn.Conv2d(3, 2, 1)
        self.norm = nn.BatchNorm2d(2)


class Own(nn.Module):
    """A module with ``init_weights`` that does not note that it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(2))

    def init_weights(self) -> None:
        nn.init.constant_(self.scale, 7.0)


class Backbone(BaseModule):
    """Parts of all three kinds."""

    def __init__(self, init_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(init_cfg)
        self.stem = nn.Conv2d(3, 3, 1)
        self.block = Block()
        self.own = Own()


def state(seed: int = 0) -> dict[str, Tensor]:
    """Random weights for ``Backbone``."""
    torch.manual_seed(seed)
    return {
        name: torch.randn(tensor.shape).to(tensor.dtype)
        for name, tensor in Backbone().state_dict().items()
    }


def loaded(folder: Path, content: Any, **options: Any) -> Backbone:
    """Return a backbone after ``init_weights`` from a file."""
    torch.save(content, folder / 'weights.pth')
    init_cfg = dict(type=STRICT, checkpoint=str(folder / 'weights.pth'), **options)
    backbone = Backbone(init_cfg)
    backbone.init_weights()
    return backbone


def assert_equals(backbone: nn.Module, expected: dict[str, Tensor]) -> None:
    torch.testing.assert_close(dict(backbone.state_dict()), expected, rtol=0, atol=0)


@pytest.mark.parametrize('wrap', ['bare', 'state_dict', 'module', 'classifier', 'old'])
def test_weights_arrive_and_parts_do_not_initialize_over_them(tmp_path: Path, wrap: str) -> None:
    expected = state()
    content: Any = dict(expected)
    if wrap == 'state_dict':
        content = {'state_dict': content, 'meta': {}}
    elif wrap == 'module':
        content = {f'module.{name}': tensor for name, tensor in content.items()}
    elif wrap == 'classifier':
        content |= {'fc.weight': torch.zeros(5, 2), 'head.layers.bias': torch.zeros(5)}
    elif wrap == 'old':  # before PyTorch 0.4.1
        del content['block.norm.num_batches_tracked']
        expected['block.norm.num_batches_tracked'] = torch.tensor(0)
    assert_equals(loaded(tmp_path, content), expected)


@pytest.mark.parametrize('prefix', ['backbone', 'backbone.'])
def test_prefix_takes_one_part_of_a_whole_segmentor(tmp_path: Path, prefix: str) -> None:
    expected = state()
    content = {f'module.backbone.{name}': tensor for name, tensor in expected.items()}
    content |= {'decode_head.conv_seg.weight': torch.zeros(3), 'backbone_2.stem': torch.zeros(1)}
    assert_equals(loaded(tmp_path, content, prefix=prefix), expected)
    with pytest.raises(ValueError, match=r"begins with 'encoder\.'.* correct prefix of init_cfg"):
        loaded(tmp_path, content, prefix='encoder')


CHANGES = {
    'missing': ({'block.conv.bias': None}, '1 missing in the file: block.conv.bias'),
    'renamed': (
        {'stem.weight': None, 'conv1.weight': torch.zeros(3, 3, 1, 1)},
        '1 missing in the file: stem.weight; 1 unknown to the network: conv1.weight',
    ),
    'deeper': ({'block.conv_2.bias': torch.zeros(2)}, '1 unknown to the network: block.conv_2.b'),
    'shape': ({'stem.weight': torch.zeros(3, 1, 1, 1)}, '1 of another shape: stem.weight'),
    'fc of its own': (
        {'own.fc.weight': torch.zeros(2)},
        '1 unknown to the network: own.fc.weight',
    ),
    'statistics': ({'block.norm.running_var': None}, 'in the file: block.norm.running_var'),
}


@pytest.mark.parametrize('case', CHANGES)
def test_trap_20_weights_that_do_not_fit_are_refused(tmp_path: Path, case: str) -> None:
    change, message = CHANGES[case]
    content = {name: tensor for name, tensor in (state() | change).items() if tensor is not None}
    with pytest.raises(ValueError, match='does not fit Backbone, tensors are') as caught:
        loaded(tmp_path, content)
    assert message in str(caught.value)
    assert 'allow_missing=[...] of init_cfg' in str(caught.value)


def test_a_file_of_another_network_is_refused_in_few_words(tmp_path: Path) -> None:
    content = {f'encoder.{name}': tensor for name, tensor in state().items()}
    with pytest.raises(
        ValueError, match=r'9 missing in the file: .* and 6 more; 10 unknown'
    ) as caught:
        loaded(tmp_path, content)
    assert len(str(caught.value)) < 700


def test_named_parts_may_be_missing_and_start_as_they_do_without_weights(tmp_path: Path) -> None:
    expected = state()
    content = {n: t for n, t in expected.items() if not n.startswith('block.')}
    content['classifier.weight'] = torch.zeros(4)
    allowed = ['block.*', 'classifier.*']
    backbone = loaded(tmp_path, content, allow_missing=allowed)
    assert_equals(backbone.stem, {n: expected[f'stem.{n}'] for n in ('weight', 'bias')})
    assert bool((backbone.block.conv.weight == 9).all())
    with pytest.raises(ValueError, match='block'):
        loaded(tmp_path, content, allow_missing=['classifier.*'])
    with pytest.raises(ValueError, match=r'classifier\.weight'):
        loaded(tmp_path, content, allow_missing=['block.*'])


def test_nothing_is_loaded_of_weights_that_do_not_fit(tmp_path: Path) -> None:
    torch.save({**state(), 'surplus': torch.zeros(1)}, tmp_path / 'weights.pth')
    backbone = Backbone()
    before = backbone.stem.weight.clone()
    with pytest.raises(ValueError, match='surplus'):
        StrictPretrained(str(tmp_path / 'weights.pth'))(backbone)
    assert torch.equal(backbone.stem.weight, before)


def small(name: str) -> Any:
    """The backbone of a base config, narrow: names of its tensors are those of the full one."""
    config = Config.fromfile(CONFIGS / f'_base_/models/{name}.py', format_python_code=False)
    backbone = config.model.backbone
    if backbone.type == 'MixVisionTransformer':
        backbone.update(embed_dims=8, num_heads=[1, 1, 1, 1], num_layers=[1, 1, 1, 1])
    else:
        backbone.update(depth=18, base_channels=8, stem_channels=8)
    return backbone


@pytest.mark.slow
@pytest.mark.parametrize('name', ['deeplabv2_r101', 'deeplabv3plus_r50', 'segformer_mit-b1'])
def test_backbones_of_the_published_settings_take_weights_whole(tmp_path: Path, name: str) -> None:
    backbone = small(name)
    backbone.type = f'mmseg.{backbone.type}'
    assert backbone.init_cfg.type == STRICT
    backbone.init_cfg.checkpoint = str(tmp_path / 'weights.pth')
    source, target = MODELS.build(backbone), MODELS.build(backbone)
    expected = {n: torch.randn(t.shape).to(t.dtype) for n, t in source.state_dict().items()}
    classifier = {'fc.weight': torch.zeros(1), 'fc.bias': torch.zeros(1)}
    torch.save({**expected, **classifier}, tmp_path / 'weights.pth')
    target.init_weights()
    assert_equals(target, expected)
    del expected[next(iter(expected))]
    torch.save(expected, tmp_path / 'weights.pth')
    with pytest.raises(ValueError, match='1 missing in the file'):
        source.init_weights()


def initializers(node: Any) -> list[str]:
    """Types of all configs that name a checkpoint."""
    if isinstance(node, dict):
        own = [node['type']] if 'checkpoint' in node and 'type' in node else []
        return own + [name for value in node.values() for name in initializers(value)]
    return (
        [name for value in node for name in initializers(value)] if isinstance(node, list) else []
    )


NETWORKS = re.compile('(deeplabv2|deeplabv3plus|fcn|pspnet|upernet)_r|mit-b')
FILES = [
    *(p for p in sorted((CONFIGS / '_base_/models').glob('*.py')) if NETWORKS.search(p.stem)),
    *sorted((CONFIGS / 'uda/hosts').glob('*.py')),
    *sorted((CONFIGS / 'dual_teacher').glob('*_r[15]0*.py')),  # name other weights than the base
]


@pytest.mark.parametrize('file', FILES, ids=lambda file: f'{file.parent.name}-{file.stem}')
def test_networks_of_the_published_settings_load_strictly(file: Path) -> None:
    model = Config.fromfile(file, format_python_code=False).model.to_dict()
    assert initializers(model) == [STRICT]
