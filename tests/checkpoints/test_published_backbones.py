"""ImageNet weights in their published layouts, made from the target's own tensors, come back."""

from __future__ import annotations

import pytest
import torch
from mmseg.models.backbones import MixVisionTransformer, ResNet, ResNetV1c, ResNetV1d
from torch import Tensor, nn

from dts.checkpoints.match import match_tensors
from dts.checkpoints.published_backbones import translate_backbone
from published_layout import publish_stage

CLASSIFIER = {'weight': torch.zeros(1000, 8), 'bias': torch.zeros(1000)}


def tiny_mit() -> nn.Module:
    return MixVisionTransformer(embed_dims=4, num_layers=[1, 2, 1, 1], num_heads=[1, 2, 3, 4])


def random_state(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: torch.randn(tensor.shape) if tensor.is_floating_point() else tensor
        for name, tensor in module.state_dict().items()
    }


def segformer_layout(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A Mix Transformer as NVlabs/SegFormer publishes it, head included."""
    file = {}
    for name, tensor in state.items():
        file |= publish_stage(name, tensor)
    file = {name.removeprefix('backbone.'): tensor for name, tensor in file.items()}
    return file | {f'head.{kind}': tensor for kind, tensor in CLASSIFIER.items()}


# (name in the SegFormer release, name in the transformers library), one of each kind
TRANSFORMERS = (
    ('patch_embed1.proj.weight', 'patch_embeddings.0.proj.weight'),
    ('patch_embed4.norm.bias', 'patch_embeddings.3.layer_norm.bias'),
    ('norm2.weight', 'layer_norm.1.weight'),
    ('block2.1.norm1.weight', 'block.1.1.layer_norm_1.weight'),
    ('block2.1.norm2.weight', 'block.1.1.layer_norm_2.weight'),
    ('block1.0.attn.q.weight', 'block.0.0.attention.self.query.weight'),
    ('block1.0.attn.sr.bias', 'block.0.0.attention.self.sr.bias'),
    ('block1.0.attn.norm.weight', 'block.0.0.attention.self.layer_norm.weight'),
    ('block3.0.attn.proj.bias', 'block.2.0.attention.output.dense.bias'),
    ('block3.0.mlp.fc1.weight', 'block.2.0.mlp.dense1.weight'),
    ('block3.0.mlp.fc2.weight', 'block.2.0.mlp.dense2.weight'),
    ('block3.0.mlp.dwconv.dwconv.bias', 'block.2.0.mlp.dwconv.dwconv.bias'),
)
STEPS = (
    ('patch_embed', 'patch_embeddings.'),
    ('block', 'block.'),
    ('norm1.', 'layer_norm_1.'),
    ('norm2.', 'layer_norm_2.'),
    ('attn.proj', 'attention.output.dense'),
    ('attn.q', 'attention.self.query'),
    ('attn.k.', 'attention.self.key.'),
    ('attn.v.', 'attention.self.value.'),
    ('attn.', 'attention.self.'),
    ('fc', 'dense'),
)


def transformers_name(name: str) -> str:
    """Rename as the conversion script of the library does, stage numbers counted from 0."""
    first, _, rest = name.partition('.')
    stage = int(first[-1]) - 1
    if first.startswith('norm'):
        return f'layer_norm.{stage}.{rest}'
    rest = f'.{rest}'
    if first.startswith('patch'):
        return f'patch_embeddings.{stage}{rest}'.replace('.norm.', '.layer_norm.')
    for ours, theirs in STEPS[2:]:
        rest = rest.replace(f'.{ours}', f'.{theirs}')
    return f'block.{stage}{rest}'.replace('self.norm.', 'self.layer_norm.')


def transformers_layout(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same as the transformers library publishes it; keys and values are apart there."""
    file = {}
    for name, tensor in segformer_layout(state).items():
        if name.startswith('head.'):
            file[name.replace('head', 'classifier')] = tensor
        elif '.attn.kv.' in name:
            for part, half in zip('kv', tensor.chunk(2), strict=True):
                renamed = transformers_name(name.replace('.kv.', f'.{part}.'))
                file[f'segformer.encoder.{renamed}'] = half
        else:
            file[f'segformer.encoder.{transformers_name(name)}'] = tensor
    return file


@pytest.mark.parametrize(('release', 'library'), TRANSFORMERS)
def test_names_of_the_library_spelled_out(release: str, library: str) -> None:
    assert transformers_name(release) == library


@pytest.mark.parametrize('layout', [segformer_layout, transformers_layout])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_mix_transformer_comes_back(layout, prefix: str) -> None:
    network = tiny_mit()
    state = random_state(network)
    file = {prefix + name: tensor for name, tensor in layout(state).items()}
    translated = translate_backbone(file, source='f.pth')
    matched = match_tensors(translated, network.state_dict(), source='f.pth')
    torch.testing.assert_close(matched, state, rtol=0, atol=0)


def resnet_layout(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet as torchvision and timm publish it; a deep stem is ``conv1`` there."""
    stem = {f'stem.{index}.': f'conv1.{index}.' for index in (0, 1, 3, 4, 6)} | {'stem.7.': 'bn1.'}
    file = {}
    for name, tensor in state.items():
        for ours, theirs in stem.items():
            name = name.replace(ours, theirs)  # noqa: PLW2901 - one of them fits at most
        file[name] = tensor
    return file | {f'fc.{kind}': tensor for kind, tensor in CLASSIFIER.items()}


@pytest.mark.parametrize('kind', [ResNet, ResNetV1c, ResNetV1d])
@pytest.mark.parametrize('depth', [18, 50])
def test_resnet_comes_back(kind: type[nn.Module], depth: int) -> None:
    network = kind(depth=depth, base_channels=4, stem_channels=4)
    state = random_state(network)
    file = resnet_layout(state)
    assert ('conv1.6.weight' in file) is (kind is not ResNet)
    assert 'bn1.running_var' in file
    assert 'layer2.0.downsample.1.weight' in file
    translated = translate_backbone(file, source='f.pth')
    matched = match_tensors(translated, network.state_dict(), source='f.pth')
    torch.testing.assert_close(matched, state, rtol=0, atol=0)


@pytest.mark.slow
def test_a_tensor_that_is_missing_or_left_over_is_an_error() -> None:
    state = random_state(tiny_mit())
    network = tiny_mit().state_dict()
    file = segformer_layout(state)
    del file['block1.0.mlp.fc1.bias']
    translated = translate_backbone(file, source='f.pth')
    with pytest.raises(ValueError, match=r'1 missing in the file: layers\.0\.1\.0\.ffn'):
        match_tensors(translated, network, source='f.pth')
    file = transformers_layout(state)
    del file['segformer.encoder.block.0.0.attention.self.value.bias']
    with pytest.raises(ValueError, match='no place in our networks for'):
        translate_backbone(file, source='f.pth')
    for stray in ('encoder.block.0.0.attention.self.gate.weight', 'encoder.mask_token'):
        with pytest.raises(ValueError, match='no place in a Mix Transformer'):
            translate_backbone({stray: torch.zeros(1)}, source='f.pth')
    resnet = resnet_layout(random_state(ResNet(18))) | {'layer1.0.se.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'unknown to the network: layer1\.0\.se'):
        match_tensors(
            translate_backbone(resnet, source='f.pth'), ResNet(18).state_dict(), source='f.pth'
        )


def test_other_layouts_are_refused() -> None:
    file = {'blocks.0.attn.qkv.weight': torch.zeros(1), 'cls_token': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'none of the layouts .* begins with: blocks\.0'):
        translate_backbone(file, source='vit.pth')
