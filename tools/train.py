"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse
import importlib.util

import torch
from mmengine.config import Config

import dts  # noqa: F401 - before anything imports mmseg
from dts.checkpoints.find import check_resumable, find_newest_checkpoint
from dts.evaluation.models import CheckModelNames
from dts.host_memory import keep_freed_memory
from dts.launch import (
    add_common_arguments,
    check_file,
    end_processes,
    read_config,
    start_cpu_processes,
    user_errors,
)
from dts.runner import Runner

WARM_UPS = ('LinearLR', 'ConstantLR')


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
    parser.add_argument(
        '--tensorboard',
        action='store_true',
        help='also write the log for TensorBoard, to <work dir>/<start time>/vis_data',
    )
    parser.add_argument(
        '--report',
        action='store_true',
        help='write <work dir>/report.html at the end; after every validation too with '
        '--cfg-options default_hooks.report.every_validation=True',
    )
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


def schedule_note(cfg: Config) -> str:
    """Say that the learning rate does not end with the run.

    Args:
        cfg: with ``train_cfg.max_iters`` and ``param_scheduler``.

    Returns:
        One line for the log, empty when the last schedule ends with the run, has no end, or warms
        up alone.
    """
    length = (cfg.get('train_cfg') or {}).get('max_iters')
    schedules = cfg.get('param_scheduler') or []
    if not isinstance(schedules, list):
        schedules = [schedules]
    decays = [s for s in schedules if s['type'] not in WARM_UPS and not s.get('by_epoch', True)]
    ends = [s['end'] for s in decays if s.get('end')]
    # MMEngine reaches the last value one step before `end`: some end one step after the run.
    if length is None or not ends or max(ends) - length in (0, 1):
        return ''
    return (
        f'the run has {length} steps, its learning-rate schedule ends at {max(ends)}: set `end` of '
        'the last entry of param_scheduler too, unless the run is to be continued'
    )


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


def add_tensorboard(cfg: Config) -> None:
    """Let the visualizer of the config write for TensorBoard too.

    Args:
        cfg: changed in place.

    Raises:
        ValueError: if tensorboard is not installed.
    """
    if importlib.util.find_spec('tensorboard') is None:
        raise ValueError('--tensorboard needs the package tensorboard: pip install tensorboard')
    # A config without a visualizer gets the one that MMEngine would build.
    visualizer = cfg.get('visualizer') or {
        'type': 'Visualizer',
        'vis_backends': [{'type': 'LocalVisBackend'}],
    }
    backends = list(visualizer.get('vis_backends') or [])
    if not any(backend['type'].endswith('TensorboardVisBackend') for backend in backends):
        backends.append({'type': 'TensorboardVisBackend'})
    cfg.visualizer = {**visualizer, 'vis_backends': backends}


def add_report(cfg: Config) -> None:
    """Add the hook that writes the HTML report; what the config says of it is kept.

    Args:
        cfg: changed in place.
    """
    cfg.merge_from_dict({'default_hooks.report.type': 'dts.ReportHook'})


def main() -> None:
    """Train, and test the final networks when the config asks for it."""
    args = parse_args()
    cfg = read_config(args)
    if args.seed is not None:
        cfg.randomness = {**cfg.get('randomness', {}), 'seed': args.seed}
    if args.amp:
        set_amp(cfg)
    if args.tensorboard:
        add_tensorboard(cfg)
    if args.report:
        add_report(cfg)
    resume_message = set_resume(cfg, args.resume)
    start_cpu_processes(cfg)
    keep_freed_memory()

    runner = Runner.from_cfg(cfg)
    if resume_message:
        runner.logger.info(resume_message)
    if note := schedule_note(cfg):
        runner.logger.warning(note)
    is_tested = cfg.get('final_test', False)
    if is_tested and cfg.test_cfg.get('models'):
        runner.register_hook(CheckModelNames(cfg.test_cfg.models))
    runner.train()
    if is_tested:
        runner.test()
    end_processes()


if __name__ == '__main__':
    with user_errors():
        main()
