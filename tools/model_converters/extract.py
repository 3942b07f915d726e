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

import torch

import dts.all  # noqa: F401 - registers what the configs name, before anything imports mmseg
from dts.checkpoints.atomic import write_atomically
from dts.evaluation.run_network import read_network
from dts.launch import user_errors


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
