"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse

import torch
from mmengine.config import Config
from mmengine.runner import Runner

import dts  # noqa: F401 - before anything imports mmseg
from dts.checkpoints.find import check_resumable, find_newest_checkpoint
from dts.evaluation.models import CheckModelNames
from dts.launch import (
    add_common_arguments,
    check_file,
    read_config,
    start_cpu_processes,
    user_errors,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Train a model. With final_test=True in the config the final networks are '
        'tested afterwards and <work dir>/test.json is written.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='FILE',
        help='go on from FILE; without FILE from the newest whole checkpoint of the work dir',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: float16 on GPU, bfloat16 on CPU'
    )
    parser.add_argument('--seed', type=int, help="seed of the run, instead of the config's")
    add_common_arguments(parser)
    return parser.parse_args()


def set_resume(cfg: Config, resume: str | None) -> str:
    """Point the config at the file to resume from, and say which.

    Args:
        cfg: changed in place.
        resume: a file, ``auto``, or None to do what the config says.

    Returns:
        One line for the log, empty when nothing is resumed.
    """
    if resume is None and cfg.get('resume') and not cfg.get('load_from'):
        resume = 'auto'
    if resume is None:
        return ''
    file = find_newest_checkpoint(cfg.work_dir) if resume == 'auto' else resume
    if file is None:
        cfg.resume = False
        return f'no whole checkpoint in {cfg.work_dir}: training starts from step 0'
    check_file(str(file), 'checkpoint')
    check_resumable(file)
    cfg.resume, cfg.load_from = True, str(file)
    return f'resuming from {file}'


def set_amp(cfg: Config) -> None:
    """Turn the optimizer wrapper of the config into a mixed precision one."""
    wrapper = cfg.optim_wrapper
    target = 'AmpOptimWrapper' if torch.cuda.is_available() else 'dts.CpuAmpOptimWrapper'
    current = wrapper.get('type', 'OptimWrapper')
    if current not in ('OptimWrapper', target):
        raise ValueError(
            f"--amp replaces optim_wrapper.type='OptimWrapper', the config has {current!r}: "
            'leave --amp away or change the config'
        )
    wrapper.type = target


def main() -> None:
    """Train, and test the final networks when the config asks for it."""
    args = parse_args()
    cfg = read_config(args)
    if args.seed is not None:
        cfg.randomness = {**cfg.get('randomness', {}), 'seed': args.seed}
    if args.amp:
        set_amp(cfg)
    resume_message = set_resume(cfg, args.resume)
    start_cpu_processes(cfg)

    runner = Runner.from_cfg(cfg)
    if resume_message:
        runner.logger.info(resume_message)
    is_tested = cfg.get('final_test', False)
    if is_tested and cfg.test_cfg.get('models'):
        runner.register_hook(CheckModelNames(cfg.test_cfg.models))
    runner.train()
    if is_tested:
        runner.test()


if __name__ == '__main__':
    with user_errors():
        main()
