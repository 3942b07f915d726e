"""Take one network out of a checkpoint of ours, as stock MMSegmentation keeps it.

    python tools/model_converters/extract.py CONFIG CHECKPOINT OUT.pth [--model teacher]

Writes OUT.pth (weights, names and colors of the classes) and OUT.py (model and test pipeline):
``mmseg.apis.init_model('OUT.py', 'OUT.pth')``. OUT.py imports dts only if the model has a part that
MMSegmentation lacks.
"""

from __future__ import annotations

import argparse
import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

import dts.all  # noqa: F401 - registers what the configs name, before anything imports mmseg
from dts.checkpoints.atomic import write_atomically
from dts.checkpoints.plain import to_plain
from dts.config import load_config
from dts.evaluation.checkpoint_models import checkpoint_states
from dts.launch import check_file, user_errors
from dts.zoo.models import build_segmentor
from dts.zoo.stock import stock_config

if TYPE_CHECKING:
    from mmseg.models.segmentors import EncoderDecoder

CLASS_KEYS = ('classes', 'palette')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Take one network out of a checkpoint.')
    parser.add_argument('config', help='config that the run was trained with')
    parser.add_argument('checkpoint', help='checkpoint of the run')
    parser.add_argument('out', type=Path, help='file to write, *.pth; its config goes beside it')
    add_model_argument(parser)
    return parser.parse_args(argv)


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a network, which several tools share.

    Args:
        parser: changed in place.
    """
    parser.add_argument(
        '--model',
        metavar='NAME',
        help='network: student, teacher, teacher.0, ...; default: the product of the run',
    )


def read_network(
    config: str, checkpoint: str, name: str | None
) -> tuple[EncoderDecoder, Config, dict[str, Any], str]:
    """Return a network of a run in eval mode, and what is needed to use it.

    Args:
        config: config file of the run.
        checkpoint: checkpoint file.
        name: of the network; None for the product of the run.

    Returns:
        The segmentor, its stock config, the names and colors of its classes as ``dataset_meta``
        (empty if the file has none), and the name of the network.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if the file has no such network, or it does not fit the config.
    """
    check_file(config, 'config')
    check_file(checkpoint, 'checkpoint')
    states = checkpoint_states(checkpoint)
    name = name or next(iter(states))
    if name not in states:
        raise ValueError(
            f'{checkpoint} holds no network named {name!r}, it has: {", ".join(states)}; choose '
            'with --model'
        )
    cfg = stock_config(load_config(config))
    plain = {key.removeprefix('module.'): tensor for key, tensor in states[name].items()}
    segmentor = build_segmentor(cfg.model, plain, f'{name} of {checkpoint}')
    meta = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu').get('meta') or {}
    classes = meta.get('dataset_meta') or {}
    known = {key: to_plain(classes[key]) for key in CLASS_KEYS if classes.get(key) is not None}
    return segmentor, cfg, known, name


def main(argv: Sequence[str] | None = None) -> None:
    """Read, check, write both files."""
    args = parse_args(argv)
    if args.out.suffix != '.pth':
        raise ValueError(f'{args.out} is to hold a checkpoint: name it *.pth')
    segmentor, cfg, classes, name = read_network(args.config, args.checkpoint, args.model)
    state = OrderedDict(segmentor.state_dict())
    meta = {'dataset_meta': classes} if classes else {}
    content = io.BytesIO()
    torch.save({'meta': meta, 'state_dict': state}, content)
    write_atomically(args.out, content.getvalue())
    cfg.dump(args.out.with_suffix('.py'))
    print(f'{args.out}, {args.out.with_suffix(".py")}: {name} with {len(state)} tensors')


if __name__ == '__main__':
    with user_errors():
        main()
