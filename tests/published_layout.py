"""Files as DAFormer, HRDA and MIC publish them, made from networks of ours.

The inverse of ``dts.checkpoints.published_uda``, made without it. The layout was read off the
releases: lhoyer/HRDA mmseg/models/backbones/mix_transformer.py, decode_heads/daformer_head.py,
decode_heads/hrda_head.py and uda/uda_decorator.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn

import dts.models.daformer_head
import dts.models.hrda  # noqa: F401 - registers the networks
from dts.registry import MODELS

MODEL_FILES = Path(__file__).parents[1] / 'configs/_base_/models'
# our name within a transformer block -> published name
BLOCK = {
    'norm1': 'norm1',
    'norm2': 'norm2',
    'attn.attn.out_proj': 'attn.proj',
    'attn.sr': 'attn.sr',
    'attn.norm': 'attn.norm',
    'ffn.layers.0': 'mlp.fc1',
    'ffn.layers.1': 'mlp.dwconv.dwconv',
    'ffn.layers.4': 'mlp.fc2',
}


def tiny_config(arch: str, num_classes: int = 4) -> Any:
    """The base config of an architecture with a MiT of six narrow blocks."""
    name = {'daformer': 'daformer_mit-b5', 'hrda': 'hrda_mit-b5'}[arch]
    config = Config.fromfile(MODEL_FILES / f'{name}.py', format_python_code=False).model
    config.backbone.update(
        embed_dims=4, num_layers=[1, 2, 2, 1], num_heads=[1, 2, 3, 4], init_cfg=None
    )
    config.decode_head.update(in_channels=[4, 8, 12, 16], channels=6, num_classes=num_classes)
    if arch == 'hrda':
        config.detail_size = (32, 32)
    return config


def tiny_network(arch: str, num_classes: int = 4) -> nn.Module:
    network = MODELS.build(tiny_config(arch, num_classes)).eval()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.2, 1.0) if tensor.ndim < 2 else tensor.normal_(std=0.2)
    return network


def publish(state: dict[str, Tensor], has_attention: bool) -> dict[str, Tensor]:
    """Name and shape the tensors of our network as the release does."""
    published = {}
    for name, tensor in state.items():
        part, _, rest = name.partition('.')
        if part == 'backbone':
            published.update(publish_stage(rest, tensor))
            continue
        inner = {'attention_head': 'scale_attention.', 'decode_head': 'head.'}[part]
        prefix = f'decode_head.{inner if has_attention else ""}'
        if rest.startswith('embed_layers.'):
            index, kind = rest.split('.')[1:]
            linear = tensor.flatten(1) if kind == 'weight' else tensor
            published[f'{prefix}embed_layers.{index}.proj.{kind}'] = linear
        else:
            published[prefix + rest] = tensor
    return published


def publish_stage(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Do so for a tensor of the backbone, ``layers.<stage>.<0, 1 or 2>...``."""
    _, stage, part, *inside = name.split('.')
    stage = int(stage) + 1
    module, kind = '.'.join(inside[:-1]), inside[-1]
    if part == '0':
        ours = {'projection': 'proj', 'norm': 'norm'}[module]
        return {f'backbone.patch_embed{stage}.{ours}.{kind}': tensor}
    if part == '2':
        return {f'backbone.norm{stage}.{kind}': tensor}
    block, _, module = module.partition('.')
    prefix = f'backbone.block{stage}.{block}'
    if kind.startswith('in_proj_'):
        kind, width = kind.removeprefix('in_proj_'), len(tensor) // 3
        return {
            f'{prefix}.attn.q.{kind}': tensor[:width],
            f'{prefix}.attn.kv.{kind}': tensor[width:],
        }
    is_linear = module in {'ffn.layers.0', 'ffn.layers.4'} and kind == 'weight'
    return {f'{prefix}.{BLOCK[module]}.{kind}': tensor[:, :, 0, 0] if is_linear else tensor}


def trainer_file(arch: str, student: nn.Module, teacher: nn.Module) -> dict[str, Tensor]:
    """What a run of the release holds: student, teacher and the ImageNet reference."""
    parts = {'model': student, 'ema_model': teacher, 'imnet_model': student}
    return {
        f'{prefix}.{name}': tensor
        for prefix, network in parts.items()
        for name, tensor in publish(network.state_dict(), arch == 'hrda').items()
    }
