"""Measure a training step against the least that its algorithm can do.

``python tools/analysis_tools/benchmark_step.py CONFIG``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner
from step_benchmark import loop  # noqa: F401 - registers the loop
from step_benchmark.report import format_report, summarize_pairs

import dts  # noqa: F401 - before anything imports mmseg
from dts.host_memory import keep_freed_memory
from dts.launch import check_file, user_errors

MIN_STEPS = 2  # quartiles need two values


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure (a) the training step of a config through the Runner with all hooks '
        'and (b) the same algorithm in bare PyTorch, in turn, in one process, data ready. On the '
        'CPU one thread is used.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--steps', type=int, default=60, help='measured pairs, at least 2')
    parser.add_argument('--warmup', type=int, default=5, help='pairs before them')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers there')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change entries of the config',
    )
    args = parser.parse_args(arguments)
    if args.steps < MIN_STEPS:
        parser.error(f'--steps must be at least {MIN_STEPS}, got {args.steps}')
    return args


def benchmark(cfg: Config, steps: int, warmup: int) -> dict[str, Any]:
    """Measure a config.

    Args:
        cfg: a training config; changed.
        steps: measured pairs.
        warmup: pairs before them.

    Returns:
        The numbers, see ``step_benchmark.report`` and ``step_benchmark.side``.
    """
    keep_freed_memory()  # as tools/train.py does
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    cfg.train_cfg.update(type='dts.InterleavedLoop', num_steps=steps, num_warmup=warmup)
    with tempfile.TemporaryDirectory() as work_dir:
        cfg.work_dir = work_dir
        with open(os.devnull, 'w') as nowhere, contextlib.redirect_stdout(nowhere):
            # The logger keeps the stream that it finds: it costs what it costs in training.
            runner = Runner.from_cfg(cfg)
            runner.train()
    pairs = runner.train_loop.pairs
    return {
        **runner.train_loop.measured,
        'threads': torch.get_num_threads(),
        'steps': steps,
        'cpu': summarize_pairs(pairs, 'cpu'),
        'wall': summarize_pairs(pairs, 'wall'),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(arguments)
    check_file(args.config, 'config')
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    result = {'config': args.config, **benchmark(cfg, args.steps, args.warmup)}
    print(format_report(result))
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    with user_errors():
        main()
