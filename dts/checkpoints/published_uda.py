"""Translation of checkpoints that DAFormer, HRDA and MIC published into the names of ours.

Their files hold the trainer (mmseg 0.16): ``model.`` is the student, ``ema_model.`` the teacher,
``imnet_model.`` the reference of the feature distance. Files that call the classes ``UniHead``,
``MultiResAttentionWrapper`` or ``MultiResEncoderDecoder`` in their config name tensors alike, so
one table serves all; classes are in no tensor's name.

    backbone.patch_embed<i>. block<i>.<j>. norm<i>.    -> backbone.layers.<i-1>.{0, 1.<j>, 2}.
    decode_head.head. (HRDA), decode_head. (DAFormer)  -> decode_head.
    decode_head.scale_attention.                       -> attention_head.

Deviation: their MiT adds 1e-5 to the variance in the patch embeddings and in the reduced keys,
MMSeg's adds 1e-6 everywhere, as for the SegFormer weights that MMSeg itself converts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from torch import Tensor, cat

PublishedModel = Literal['student', 'teacher']
PREFIXES: dict[str, str] = {'student': 'model.', 'teacher': 'ema_model.'}
# What a trainer holds besides: the ImageNet reference, and MIC's own teacher if it has one.
OTHER_PREFIXES = ('imnet_model.', 'mic.')

# name of a module in the file -> name of ours; <stage> counts from 1 there, from 0 here
STAGE_NAMES: tuple[tuple[str, str], ...] = (
    (r'patch_embed(?P<stage>\d)\.proj', '0.projection'),
    (r'patch_embed(?P<stage>\d)\.norm', '0.norm'),
    (r'norm(?P<stage>\d)', '2'),
    (r'block(?P<stage>\d)\.(\d+)\.(norm[12]|attn\.sr|attn\.norm)', r'1.\2.\3'),
    (r'block(?P<stage>\d)\.(\d+)\.attn\.proj', r'1.\2.attn.attn.out_proj'),
    (r'block(?P<stage>\d)\.(\d+)\.mlp\.fc1', r'1.\2.ffn.layers.0'),
    (r'block(?P<stage>\d)\.(\d+)\.mlp\.dwconv\.dwconv', r'1.\2.ffn.layers.1'),
    (r'block(?P<stage>\d)\.(\d+)\.mlp\.fc2', r'1.\2.ffn.layers.4'),
)
HEAD_PREFIXES: tuple[tuple[str, str], ...] = (
    ('decode_head.head.', 'decode_head.'),
    ('decode_head.scale_attention.', 'attention_head.'),
    ('decode_head.', 'decode_head.'),
)
HEAD_NAMES: tuple[tuple[str, str], ...] = (
    (r'embed_layers\.(\d)\.proj', r'embed_layers.\1'),
    (r'(fuse_layer\..+|conv_seg)', r'\1'),
)
QUERY = re.compile(r'backbone\.block(\d)\.(\d+)\.attn\.q\.(weight|bias)')
# Linear layers there, 1x1 convolutions here.
CONVOLUTIONS = re.compile(r'.*(ffn\.layers\.[04]|embed_layers\.\d)\.weight')
NUM_SHOWN = 20


def select_model(
    file: Mapping[str, Tensor], model: PublishedModel, *, source: str
) -> dict[str, Tensor]:
    """Return the tensors of one network of a file, by its plain names.

    Args:
        file: all tensors of the file; ``module.`` of parallel wrappers is dropped. Without the
            prefix of any network, the file holds one segmentor, the student.
        model: ``student`` or ``teacher``.
        source: name of the file in errors.

    Raises:
        ValueError: if the network is not there, or tensors belong to no network that a trainer has.
    """
    file = {re.sub(r'(^|\.)module\.', r'\1', name): tensor for name, tensor in file.items()}
    prefixes = (*PREFIXES.values(), *OTHER_PREFIXES)
    held = [prefix for prefix in prefixes if any(name.startswith(prefix) for name in file)]
    if not held and model == 'student':
        return file
    prefix = PREFIXES[model]
    if prefix not in held:
        raise ValueError(
            f'{source} holds no {model} ({prefix}*), it holds: '
            f'{", ".join(f"{name}*" for name in held) or "one network without a prefix"}'
        )
    stray = [name for name in file if not name.startswith(prefixes)]
    if stray:
        raise ValueError(f'{source} is no checkpoint of DAFormer, HRDA or MIC:{_listed(stray)}')
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in file.items()
        if name.startswith(prefix)
    }


def translate_weights(weights: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Return the tensors of a network by our names and in our shapes.

    Args:
        weights: tensors of one network, by the names of the release.
        source: name of the file in errors.

    Raises:
        ValueError: if tensors are left over; names them.
    """
    translated: dict[str, Tensor] = {}
    left_over = dict(weights)
    for name in weights:
        query = QUERY.fullmatch(name)
        if query is not None:
            keys_values = name.replace('.attn.q.', '.attn.kv.')
            if keys_values in left_over:
                stage, block, kind = query.groups()
                place = f'backbone.layers.{int(stage) - 1}.1.{block}.attn.attn.in_proj_{kind}'
                translated[place] = cat([left_over.pop(name), left_over.pop(keys_values)])
            continue
        module, _, kind = name.rpartition('.')
        our_module = _translate_module(module)
        if our_module is not None:
            tensor = left_over.pop(name)
            place = f'{our_module}.{kind}'
            is_convolution = CONVOLUTIONS.fullmatch(place) is not None
            translated[place] = tensor[:, :, None, None] if is_convolution else tensor
    if left_over:
        raise ValueError(f'{source}: no place in our networks for{_listed(list(left_over))}')
    return translated


def _translate_module(module: str) -> str | None:
    """Return our name of a module, None if the table has none."""
    if module.startswith('backbone.'):
        return _translate_stage(module.removeprefix('backbone.'))
    for prefix, place in HEAD_PREFIXES:
        if module.startswith(prefix):
            return _first_match(HEAD_NAMES, module.removeprefix(prefix), place)
    return None


def _translate_stage(module: str) -> str | None:
    """Return our name of a module of the backbone."""
    for pattern, place in STAGE_NAMES:
        match = re.fullmatch(pattern, module)
        if match is not None:
            return f'backbone.layers.{int(match["stage"]) - 1}.{match.expand(place)}'
    return None


def _first_match(table: tuple[tuple[str, str], ...], module: str, place: str) -> str | None:
    """Return ``place`` with the name that the table gives a module below it."""
    for pattern, name in table:
        match = re.fullmatch(pattern, module)
        if match is not None:
            return place + match.expand(name)
    return None


def _listed(names: list[str]) -> str:
    """Return the count and the names."""
    rest = f' and {len(names) - NUM_SHOWN} more' if len(names) > NUM_SHOWN else ''
    return f' {len(names)} tensors: {", ".join(names[:NUM_SHOWN])}{rest}'
