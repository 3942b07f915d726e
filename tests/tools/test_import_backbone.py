"""import_backbone.py: published weights become a file for init_cfg, or are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.models.backbones import ResNet, ResNetV1c
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/model_converters'))

import import_backbone

from dts.models.strict_pretrained import StrictPretrained

STEM = dict(base_channels=4, stem_channels=4)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A method around a ResNet-18-C that would download its weights."""
    backbone = dict(
        type='ResNetV1c', depth=18, **STEM, init_cfg=dict(type='Pretrained', checkpoint='gone://x')
    )
    model = dict(type='dts.MeanTeacher', student=dict(type='EncoderDecoder', backbone=backbone))
    Config(dict(model=model), format_python_code=False).dump(tmp_path / 'config.py')
    return str(tmp_path / 'config.py')


@pytest.mark.slow
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_backbone_starts_from_what_was_imported(tmp_path: Path, config: str, suffix: str) -> None:
    network = ResNetV1c(depth=18, **STEM)
    state = {n: t.clone() for n, t in network.state_dict().items()}
    stem = {'stem.7.': 'bn1.'} | {f'stem.{i}.': f'conv1.{i}.' for i in (0, 1, 3, 4, 6)}
    file = {}
    for name, tensor in state.items():
        place = next((p for p in stem if name.startswith(p)), '')
        file[name.replace(place, stem.get(place, ''), 1) if place else name] = tensor
    file['fc.weight'] = torch.zeros(1000, 32)
    source, out = tmp_path / f'published{suffix}', tmp_path / 'out.pth'
    if suffix == '.pth':
        torch.save({'state_dict': file}, source)
    else:
        save_file(file, source)
    import_backbone.main([str(source), str(out), '--config', config])

    other = ResNetV1c(depth=18, **STEM)
    StrictPretrained(str(out))(other)
    torch.testing.assert_close(other.state_dict(), state, rtol=0, atol=0)


def test_plain_stem_for_a_deep_one_is_told_in_words(tmp_path: Path, config: str) -> None:
    source, out = tmp_path / 'torchvision.pth', tmp_path / 'out.pth'
    torch.save(ResNet(depth=18, **STEM).state_dict(), source)
    with pytest.raises(ValueError, match=r'stem of one convolution, .* one of three: .*resnet50c'):
        import_backbone.main([str(source), str(out), '--config', config])
    assert not out.exists()


def test_another_depth_is_refused_and_nothing_is_written(tmp_path: Path, config: str) -> None:
    source, out = tmp_path / 'deeper.pth', tmp_path / 'out.pth'
    state = ResNetV1c(depth=34, **STEM).state_dict()
    names = {'stem.0.weight': 'conv1.0.weight'}
    torch.save({names.get(n, n): t for n, t in state.items()}, source)
    with pytest.raises(ValueError, match=r'unknown to the network: layer1\.2'):
        import_backbone.main([str(source), str(out), '--config', config])
    assert not out.exists()
