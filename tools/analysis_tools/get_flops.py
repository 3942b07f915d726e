"""Print FLOPs and parameters of the network that a config trains.

    python tools/analysis_tools/get_flops.py CONFIG [--shape HEIGHT WIDTH]

Of a method that is its student, for one image at the crop size of training unless told otherwise. A
multiply-add counts as one. A label-assisted network is shown the image and a code of zeros.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import DictAction
from mmengine.registry import init_default_scope

import dts.all  # noqa: F401 - registers what configs name
from dts.config import load_config, student_config
from dts.label_assisted.views import input_views
from dts.launch import check_file, revert_sync_bn, user_errors
from dts.registry import MODELS
from dts.typing import ConfigType


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file, ours or a stock one of MMSegmentation')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the image; default: data_preprocessor.size of the student',
    )
    parser.add_argument('--table', action='store_true', help='also print every layer')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args(argv)


def image_shape(student: ConfigType, shape: Sequence[int] | None) -> tuple[int, int]:
    """Return the size that is measured.

    Args:
        student: config of the segmentor.
        shape: (height, width) of the command line, or None.

    Raises:
        ValueError: if neither the command line nor the config tells a size.
    """
    size = shape or (student.get('data_preprocessor') or {}).get('size')
    if size is None:
        raise ValueError('the config has no data_preprocessor.size: give --shape HEIGHT WIDTH')
    height, width = size
    return height, width


def measure(student: ConfigType, shape: tuple[int, int]) -> dict[str, Any]:
    """Count the operations of one forward pass.

    Args:
        student: config of the segmentor.
        shape: (height, width).

    Returns:
        What ``mmengine.analysis.get_model_complexity_info`` returns.
    """
    revert_sync_bn(student)  # SyncBN has no form for a single process
    network = MODELS.build(student).eval()
    # The last view of a label-assisted network is the one without labels.
    *_, shown = input_views('student', network).values()
    with torch.no_grad():
        return get_model_complexity_info(shown, (3, *shape), show_arch=False)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(argv)
    with user_errors():
        check_file(args.config, 'config')
        cfg = load_config(args.config)
        cfg.merge_from_dict(args.cfg_options)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        student = student_config(cfg.model)
        shape = image_shape(student, args.shape)
        found = measure(student, shape)
    if args.table:
        print(found['out_table'])
    print(f'image: 3 x {shape[0]} x {shape[1]}')
    print(f'FLOPs: {found["flops_str"]}')
    print(f'parameters: {found["params_str"]}')


if __name__ == '__main__':
    main()
