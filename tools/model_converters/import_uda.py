"""Turn a published checkpoint of DAFormer, HRDA or MIC into one of ours.

    python tools/model_converters/import_uda.py CHECKPOINT OUT --arch hrda [--model teacher]

OUT loads into the base model of the architecture: as ``load_from``, in tools/test.py and in
``mmseg.apis.init_model``. Every tensor of the chosen network is used, or the file is refused. The
published scores are those of the student.
"""

from __future__ import annotations

import argparse
import io
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import DefaultScope

import dts.all  # noqa: F401 - registers what the configs name
from dts.checkpoints.atomic import write_atomically
from dts.checkpoints.match import match_tensors
from dts.checkpoints.published_uda import PREFIXES, select_model, translate_weights
from dts.compat import load_from_local
from dts.config import load_config, student_config
from dts.launch import user_errors
from dts.registry import MODELS

MODEL_FILES = Path(__file__).parents[2] / 'configs/_base_/models'
# MIC trains the network of HRDA.
ARCHITECTURES = {'daformer': 'daformer_mit-b5', 'hrda': 'hrda_mit-b5', 'mic': 'hrda_mit-b5'}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Import a checkpoint of DAFormer, HRDA or MIC.')
    parser.add_argument('checkpoint', help='published file')
    parser.add_argument('out', type=Path, help='file to write')
    parser.add_argument('--arch', choices=list(ARCHITECTURES), required=True)
    parser.add_argument(
        '--model', choices=list(PREFIXES), default='student', help='network of the file to take'
    )
    parser.add_argument(
        '--config', help='config of the network, for files of another size than MiT-B5'
    )
    return parser.parse_args(argv)


def build_state(config_file: str | Path, num_classes: int) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a network for a number of classes, without pretrained weights."""
    config = student_config(load_config(config_file).model)
    config.decode_head.num_classes = num_classes
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(config).state_dict()


def describe(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names and colors of the classes where MMSeg 1.x looks for them."""
    parts = {'classes': meta.get('CLASSES'), 'palette': meta.get('PALETTE')}
    known = {name: list(part) for name, part in parts.items() if part is not None}
    return {'dataset_meta': known} if known else {}


def main(argv: Sequence[str] | None = None) -> None:
    """Translate, check against the network, write."""
    args = parse_args(argv)
    checkpoint = load_from_local(args.checkpoint, map_location='cpu')
    file = checkpoint.get('state_dict', checkpoint)
    chosen = select_model(file, args.model, source=args.checkpoint)
    translated = translate_weights(chosen, source=args.checkpoint)
    classifier = translated.get('decode_head.conv_seg.bias')
    if classifier is None:
        raise ValueError(
            f'{args.checkpoint} holds no decode head: it is no checkpoint of a UDA run'
        )
    config_file = args.config or MODEL_FILES / f'{ARCHITECTURES[args.arch]}.py'
    network = build_state(config_file, len(classifier))
    weights = match_tensors(translated, network, source=args.checkpoint)

    content = io.BytesIO()
    meta = describe(checkpoint.get('meta', {}))
    torch.save({'meta': meta, 'state_dict': OrderedDict(weights)}, content)
    write_atomically(args.out, content.getvalue())
    print(
        f'{args.out}: {len(weights)} tensors of the {args.model}, {len(classifier)} classes, for '
        f'{Path(config_file).stem}; {len(file) - len(chosen)} tensors of other networks left out'
    )


if __name__ == '__main__':
    with user_errors():
        main()
