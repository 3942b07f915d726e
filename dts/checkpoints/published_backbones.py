"""Translation of ImageNet weights in their published layouts into the names of MMSegmentation.

    layout         names of the file                       backbone of MMSegmentation
    segformer      patch_embed1. block1.0. norm1.          MixVisionTransformer
    transformers   segformer.encoder.patch_embeddings.0.   MixVisionTransformer
    torchvision    conv1.weight bn1. layer1.0.             ResNet, ResNeXt
    timm, deep     conv1.0.weight bn1. layer1.0.           ResNetV1c (50c), ResNetV1d (50d)

Plain ResNets of timm have the names of torchvision. A stem of one 7x7 convolution does not become
one of three 3x3 convolutions: ResNetV1c needs a file with a deep stem.

Source: NVlabs/SegFormer mmseg/models/backbones/mix_transformer.py; huggingface/transformers
    models/segformer/convert_segformer_original_to_pytorch.py; huggingface/pytorch-image-models
    timm/models/resnet.py; MMSegmentation 1.2.2 models/backbones/resnet.py, mit.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, cat

from dts.checkpoints.published_uda import translate_weights

# What ImageNet files hold besides: the classifier, which a segmentor has no use for.
CLASSIFIER = re.compile(r'(head|fc|classifier)\.(weight|bias)')
PREFIXES = ('module.', 'backbone.')
TRANSFORMERS_PREFIX = re.compile(r'(segformer\.)?encoder\.')
# names of the transformers library -> names of the SegFormer release; stages count from 0 and 1
TRANSFORMERS_NAMES: tuple[tuple[str, str], ...] = (
    (r'patch_embeddings\.(\d)\.proj', 'patch_embed{stage}.proj'),
    (r'patch_embeddings\.(\d)\.layer_norm', 'patch_embed{stage}.norm'),
    (r'layer_norm\.(\d)', 'norm{stage}'),
    (r'block\.(\d)\.(\d+)\.layer_norm_([12])', r'block{stage}.\2.norm\3'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.query', r'block{stage}.\2.attn.q'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.key', r'block{stage}.\2.attn.k'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.value', r'block{stage}.\2.attn.v'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.sr', r'block{stage}.\2.attn.sr'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.layer_norm', r'block{stage}.\2.attn.norm'),
    (r'block\.(\d)\.(\d+)\.attention\.output\.dense', r'block{stage}.\2.attn.proj'),
    (r'block\.(\d)\.(\d+)\.mlp\.dense([12])', r'block{stage}.\2.mlp.fc\3'),
    (r'block\.(\d)\.(\d+)\.mlp\.dwconv\.dwconv', r'block{stage}.\2.mlp.dwconv.dwconv'),
)
# The three convolutions of a deep stem and the two norms between them; the last norm is ``bn1``.
DEEP_STEM: tuple[tuple[str, str], ...] = (
    (r'conv1\.([01346])\.', r'stem.\1.'),
    (r'bn1\.', 'stem.7.'),
)


def translate_backbone(file: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Return the tensors of a backbone by the names of MMSegmentation, without the classifier.

    Args:
        file: tensors of an ImageNet model in one of the layouts above.
        source: name of the file in errors.

    Raises:
        ValueError: if the layout is none of these, or a tensor of a transformer has no place;
            tensors of a ResNet keep their names, and ``match_tensors`` finds those left over.
    """
    plain = {_plain(name): tensor for name, tensor in file.items()}
    plain = {name: t for name, t in plain.items() if not CLASSIFIER.fullmatch(name)}
    if any(TRANSFORMERS_PREFIX.match(name) for name in plain):
        plain = _from_transformers(plain, source)
    if 'patch_embed1.proj.weight' in plain:
        return _from_segformer(plain, source)
    if 'conv1.0.weight' in plain:
        return {_deep_stem(name): tensor for name, tensor in plain.items()}
    if 'conv1.weight' in plain and 'layer1.0.conv1.weight' in plain:
        return plain
    raise ValueError(
        f'{source} has none of the layouts that are known (SegFormer, transformers, torchvision, '
        f'timm); it begins with: {", ".join(list(file)[:3])}'
    )


def _plain(name: str) -> str:
    """Drop what wrappers put in front of a name."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _from_segformer(file: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Translate a Mix Transformer by the table that serves DAFormer's."""
    below = {f'backbone.{name}': tensor for name, tensor in file.items()}
    translated = translate_weights(below, source=source)
    return {name.removeprefix('backbone.'): tensor for name, tensor in translated.items()}


def _from_transformers(file: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Give the tensors the names of the SegFormer release; keys and values are one matrix there."""
    renamed = {_release_name(name, source): tensor for name, tensor in file.items()}
    for name in [name for name in renamed if '.attn.k.' in name]:
        values = name.replace('.attn.k.', '.attn.v.')
        if values in renamed:
            together = [renamed.pop(name), renamed.pop(values)]
            renamed[name.replace('.attn.k.', '.attn.kv.')] = cat(together)
    return renamed


def _release_name(name: str, source: str) -> str:
    """Return the name of a tensor in the SegFormer release."""
    module, _, kind = TRANSFORMERS_PREFIX.sub('', name, count=1).rpartition('.')
    for pattern, release in TRANSFORMERS_NAMES:
        match = re.fullmatch(pattern, module)
        if match is not None:
            return match.expand(release.format(stage=int(match[1]) + 1)) + f'.{kind}'
    raise ValueError(f'{source}: no place in a Mix Transformer for {name}')


def _deep_stem(name: str) -> str:
    """Return the name that ResNetV1c and ResNetV1d give a tensor."""
    for pattern, place in DEEP_STEM:
        if re.match(pattern, name):
            return re.sub(pattern, place, name, count=1)
    return name
