"""Turn published ImageNet weights of a MiT or ResNet into a file for ``init_cfg``.

    python tools/model_converters/import_backbone.py WEIGHTS OUT --config CONFIG

CONFIG names the backbone, for example configs/_base_/models/segformer_mit-b0.py. Then train with
``model.student.backbone.init_cfg.checkpoint=OUT``. Layouts: SegFormer's release, the transformers
library, torchvision, timm. Every tensor but the classifier is used, or the file is refused.
"""

from __future__ import annotations

import argparse
import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.registry import DefaultScope

import dts.all  # noqa: F401 - registers what the configs name
from dts.checkpoints.atomic import write_atomically
from dts.checkpoints.match import match_tensors
from dts.checkpoints.published_backbones import translate_backbone
from dts.config import load_config, student_config
from dts.launch import check_file, user_errors
from dts.registry import MODELS
from dts.zoo.weights import read_weights

DEEP_STEM = 'stem.0.weight'
PLAIN_STEM = 'conv1.weight'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Import ImageNet weights of a backbone.')
    parser.add_argument('weights', help='published file: .pth, .pt, .bin or .safetensors')
    parser.add_argument('out', type=Path, help='file to write')
    parser.add_argument('--config', required=True, help='config of a model with that backbone')
    return parser.parse_args(argv)


def backbone_tensors(config_file: str) -> dict[str, torch.Tensor]:
    """Return the tensors of the backbone that a config names, without pretrained weights."""
    check_file(config_file, 'config')
    backbone = student_config(load_config(config_file).model).backbone
    with DefaultScope.overwrite_default_scope('mmseg'):
        return dict(MODELS.build({**backbone, 'init_cfg': None}).state_dict())


def main(argv: Sequence[str] | None = None) -> None:
    """Translate, check against the backbone, write."""
    args = parse_args(argv)
    tensors, _ = read_weights(args.weights)
    translated = translate_backbone(tensors, source=args.weights)
    network = backbone_tensors(args.config)
    if DEEP_STEM in network and PLAIN_STEM in translated:
        raise ValueError(
            f'{args.weights} has a stem of one convolution, the backbone of {args.config} one of '
            "three: take weights with a deep stem (timm's resnet50c), or set "
            'model.backbone.type=ResNet in the config, whose stem is that of the file'
        )
    matched = match_tensors(translated, network, source=args.weights)
    content = io.BytesIO()
    torch.save(OrderedDict(matched), content)
    write_atomically(args.out, content.getvalue())
    print(f'{args.out}: {len(matched)} tensors for the backbone of {Path(args.config).stem}')


if __name__ == '__main__':
    with user_errors():
        main()
