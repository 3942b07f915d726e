"""Published names of DAFormer, HRDA and MIC, spelled out, and networks sent there and back."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from torch import Tensor

from dts.checkpoints.match import match_tensors
from dts.checkpoints.published_uda import select_model, translate_weights
from dts.registry import MODELS
from dts.segmentor import decode_logits
from published_layout import MODEL_FILES, publish, tiny_config, tiny_network, trainer_file


@torch.no_grad()
@pytest.mark.parametrize('arch', ['daformer', 'hrda'])
@pytest.mark.parametrize('model', ['student', 'teacher'])
def test_network_comes_back_with_equal_scores(arch: str, model: str) -> None:
    networks = dict(student=tiny_network(arch), teacher=tiny_network(arch))
    file = trainer_file(arch, **networks)
    blank = MODELS.build(tiny_config(arch)).eval()
    weights = translate_weights(select_model(file, model, source='f.pth'), source='f.pth')
    blank.load_state_dict(match_tensors(weights, blank.state_dict(), source='f.pth'), strict=True)
    images = torch.randn(1, 3, 64, 64)
    expected = decode_logits(networks[model], images)
    torch.testing.assert_close(decode_logits(blank, images), expected, rtol=0, atol=0)
    other = networks['teacher' if model == 'student' else 'student']
    assert not torch.allclose(decode_logits(other, images), expected)


# First block of the second stage, and the rest of the network around it, as the releases spell it.
SPELLED = {
    'backbone.patch_embed2.proj.weight': 'backbone.layers.1.0.projection.weight',
    'backbone.patch_embed2.norm.bias': 'backbone.layers.1.0.norm.bias',
    'backbone.block2.0.norm1.weight': 'backbone.layers.1.1.0.norm1.weight',
    'backbone.block2.0.attn.proj.weight': 'backbone.layers.1.1.0.attn.attn.out_proj.weight',
    'backbone.block2.0.attn.sr.weight': 'backbone.layers.1.1.0.attn.sr.weight',
    'backbone.block2.0.attn.norm.weight': 'backbone.layers.1.1.0.attn.norm.weight',
    'backbone.block2.0.norm2.bias': 'backbone.layers.1.1.0.norm2.bias',
    'backbone.block2.0.mlp.fc1.bias': 'backbone.layers.1.1.0.ffn.layers.0.bias',
    'backbone.block2.0.mlp.dwconv.dwconv.weight': 'backbone.layers.1.1.0.ffn.layers.1.weight',
    'backbone.block2.0.mlp.fc2.bias': 'backbone.layers.1.1.0.ffn.layers.4.bias',
    'backbone.block3.39.norm1.weight': 'backbone.layers.2.1.39.norm1.weight',
    'backbone.norm4.weight': 'backbone.layers.3.2.weight',
    'decode_head.conv_seg.bias': 'decode_head.conv_seg.bias',
    'decode_head.embed_layers.3.proj.bias': 'decode_head.embed_layers.3.bias',
    'decode_head.fuse_layer.aspp_modules.0.conv.weight': (
        'decode_head.fuse_layer.aspp_modules.0.conv.weight'
    ),
    'decode_head.fuse_layer.aspp_modules.1.depthwise_conv.bn.running_mean': (
        'decode_head.fuse_layer.aspp_modules.1.depthwise_conv.bn.running_mean'
    ),
    'decode_head.fuse_layer.bottleneck.bn.num_batches_tracked': (
        'decode_head.fuse_layer.bottleneck.bn.num_batches_tracked'
    ),
    'decode_head.head.conv_seg.weight': 'decode_head.conv_seg.weight',
    'decode_head.head.embed_layers.0.proj.bias': 'decode_head.embed_layers.0.bias',
    'decode_head.scale_attention.conv_seg.weight': 'attention_head.conv_seg.weight',
    'decode_head.scale_attention.fuse_layer.conv.weight': 'attention_head.fuse_layer.conv.weight',
}


@pytest.mark.parametrize('published', SPELLED)
def test_names_spelled_out(published: str) -> None:
    tensor = torch.zeros(1)
    assert translate_weights({published: tensor}, source='') == {SPELLED[published]: tensor}


def test_linear_layers_become_convolutions_and_others_keep_their_shape() -> None:
    block = 'backbone.block1.0'
    shapes = {
        f'{block}.mlp.fc1.weight': (8, 2),
        f'{block}.mlp.fc2.weight': (2, 8),
        f'{block}.attn.proj.weight': (2, 2),
        'decode_head.embed_layers.0.proj.weight': (6, 2),
    }
    file = {name: torch.zeros(shape) for name, shape in shapes.items()}
    translated = [tuple(t.shape) for t in translate_weights(file, source='').values()]
    assert translated == [(8, 2, 1, 1), (2, 8, 1, 1), (2, 2), (6, 2, 1, 1)]


@torch.no_grad()
def test_attention_computes_what_the_published_tensors_mean() -> None:
    """Query of the tokens, keys then values of the reduced ones: softmax(q k / sqrt(d)) v."""
    network = tiny_network('daformer')
    published = publish(network.state_dict(), has_attention=False)
    layer = network.backbone.layers[1][1][0].attn  # 8 channels, 2 heads, reduced by 4
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(1, 64, 8, generator=generator)

    def affine(name: str, x: Tensor) -> Tensor:
        prefix = f'backbone.block2.0.attn.{name}'
        return x @ published[f'{prefix}.weight'].T + published[f'{prefix}.bias']

    image = tokens.transpose(1, 2).reshape(1, 8, 8, 8)
    reduced = layer.norm(layer.sr(image).flatten(2).transpose(1, 2))  # (1, 4, 8)
    query = affine('q', tokens)
    keys, values = affine('kv', reduced).split(8, dim=-1)
    heads = []
    for channels in (slice(0, 4), slice(4, 8)):
        similarity = query[..., channels] @ keys[..., channels].transpose(1, 2) / 2.0
        heads.append(similarity.softmax(dim=-1) @ values[..., channels])
    expected = tokens + affine('proj', torch.cat(heads, dim=-1))
    torch.testing.assert_close(layer(tokens, (8, 8), identity=tokens), expected)


def test_files_of_one_segmentor_are_the_student() -> None:
    file = {'backbone.norm1.weight': torch.zeros(1)}
    assert select_model(file, 'student', source='f.pth') == file
    with pytest.raises(ValueError, match=r'f.pth holds no teacher \(ema_model.\*\).*one network'):
        select_model(file, 'teacher', source='f.pth')


def test_wrappers_of_parallel_runs_are_dropped() -> None:
    tensor = torch.zeros(1)
    file = {'module.model.module.backbone.norm1.bias': tensor, 'module.ema_model.x': tensor}
    assert select_model(file, 'student', source='') == {'backbone.norm1.bias': tensor}


def test_missing_networks_are_named_with_those_that_are_there() -> None:
    file = {'model.x': torch.zeros(1), 'imnet_model.x': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'no teacher .*, it holds: model\.\*, imnet_model\.\*'):
        select_model(file, 'teacher', source='f.pth')


def test_tensors_of_no_network_are_refused() -> None:
    file = {'model.x': torch.zeros(1), 'discriminator.w': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'1 tensors: discriminator\.w'):
        select_model(file, 'student', source='f.pth')


@pytest.mark.parametrize(
    'stray',
    [
        'backbone.head.weight',
        'backbone.block1.0.attn.q_norm.weight',
        'backbone.style_hallucination.w',
        'decode_head.head.linear_c.0.proj.weight',
        'decode_head.image_pool.1.conv.weight',
        'auxiliary_head.conv_seg.weight',
        'backbone.block1.0.attn.q.weight',  # without its keys and values
        'backbone.block1.0.attn.kv.weight',
    ],
)
def test_what_is_left_over_is_listed(stray: str) -> None:
    file = {'backbone.norm1.weight': torch.zeros(1), stray: torch.zeros(1)}
    with pytest.raises(ValueError, match='no place in our networks for 1 tensors') as caught:
        translate_weights(file, source='f.pth')
    assert str(caught.value).endswith(stray)


def test_a_file_of_the_other_architecture_does_not_fit() -> None:
    file = publish(tiny_network('daformer').state_dict(), has_attention=False)
    translated = translate_weights(file, source='f.pth')
    with pytest.raises(ValueError, match=r'missing in the file: attention_head\.'):
        match_tensors(translated, tiny_network('hrda').state_dict(), source='f.pth')


@pytest.mark.slow
@pytest.mark.parametrize('arch', ['daformer', 'hrda'])
def test_every_tensor_of_the_full_network_has_its_place(arch: str) -> None:
    config = Config.fromfile(MODEL_FILES / f'{arch}_mit-b5.py', format_python_code=False).model
    network = MODELS.build(config).to('meta').state_dict()
    translated = translate_weights(publish(network, arch == 'hrda'), source='')
    assert match_tensors(translated, network, source='').keys() == network.keys()
