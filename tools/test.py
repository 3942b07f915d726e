"""Evaluate the networks of a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

import dts.all  # noqa: F401 - before anything imports mmseg; registers what is named below
from dts.config import student_config
from dts.launch import (
    add_common_arguments,
    check_file,
    end_processes,
    read_config,
    start_cpu_processes,
    user_errors,
)

KEPT_HOOKS = ('timer', 'logger', 'visualization')
TRAINING_HOOKS = ('param_scheduler', 'checkpoint', 'sampler_seed')
TRAINING_KEYS = (
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'val_dataloader',
    'val_cfg',
    'val_evaluator',
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Evaluate networks of a checkpoint on the test set of the config, print a '
        'class-wise table and write test.json to the work dir '
        '(default: <work dir of the config>/test_<checkpoint name>[_tta]).'
    )
    parser.add_argument('config', help='config file, ours or a stock one of MMSegmentation')
    parser.add_argument('checkpoint', help='checkpoint file, ours or a stock one')
    parser.add_argument(
        '--models',
        nargs='+',
        metavar='NAME',
        help='networks to evaluate: student, teacher, teacher.0, ..., mean (logits of several '
        'students), teacher_with_labels, teacher_blank_image, teacher_zeroed (label-assisted); '
        'default: all in the file',
    )
    parser.add_argument(
        '--tta', action='store_true', help='average class probabilities over scales and flips'
    )
    parser.add_argument('--out', help='folder for predicted label PNGs at original size')
    parser.add_argument(
        '--label-ids',
        action='store_true',
        help='write the label ids of Cityscapes (7 = road) to --out, not class ids (0 = road)',
    )
    parser.add_argument(
        '--submit',
        action='store_true',
        help='predict submit_dataloader of the config, the unlabelled images of a test server, '
        'into --out; nothing is scored',
    )
    parser.add_argument('--show-dir', help='folder for pictures: image | label | prediction')
    add_common_arguments(parser)
    return parser.parse_args()


def set_evaluation(cfg: Config, args: argparse.Namespace) -> None:
    """Turn a training config into one that evaluates networks of a checkpoint.

    Args:
        cfg: changed in place.
        args: the command line.

    Raises:
        ValueError: if --tta or --submit is given and the config does not define it, or an option
            for predictions without --out.
    """
    if (args.submit or args.label_ids) and not args.out:
        raise ValueError('--submit and --label-ids need a folder for the predictions: --out FOLDER')
    if args.submit:
        set_submission(cfg, args)
    if args.tta:
        set_tta(cfg, args)
    cfg.model = {
        'type': 'dts.CheckpointModels',
        'segmentor': student_config(cfg.model),
        'checkpoint': args.checkpoint,
        'models': args.models,
        'tta': cfg.tta_model if args.tta else None,
    }
    cfg.test_cfg = {
        'type': 'dts.ModelsTestLoop',
        'models': args.models,
        'out_dir': args.out,
        'show_dir': args.show_dir,
        'label_ids': args.label_ids,
        'fp16': (cfg.get('test_cfg') or {}).get('fp16', False),
    }
    # Weights come from the file as they are: hooks that train or swap networks have no part here.
    hooks = cfg.get('default_hooks', {})
    cfg.default_hooks = {name: hooks[name] for name in KEPT_HOOKS if name in hooks}
    cfg.default_hooks.update(dict.fromkeys(TRAINING_HOOKS))
    cfg.custom_hooks = []
    for key in TRAINING_KEYS:
        cfg[key] = None
    cfg.load_from, cfg.resume = None, False


def set_submission(cfg: Config, args: argparse.Namespace) -> None:
    """Put the images of the test server in the place of the test set.

    Args:
        cfg: changed in place.
        args: the command line.

    Raises:
        ValueError: if the config has no ``submit_dataloader``.
    """
    if 'submit_dataloader' not in cfg:
        raise ValueError(
            f'{args.config} has no submit_dataloader, the images of a test server; without '
            '--submit its test set is predicted'
        )
    cfg.test_dataloader = cfg.submit_dataloader
    cfg.test_evaluator = []
    cfg.source_test_dataloader = None


def set_tta(cfg: Config, args: argparse.Namespace) -> None:
    """Predict several scales and flips of every image.

    Args:
        cfg: changed in place.
        args: the command line.

    Raises:
        ValueError: if the config does not define it.
    """
    if 'tta_pipeline' not in cfg or 'tta_model' not in cfg:
        raise ValueError(
            f'{args.config} has no tta_pipeline and tta_model: add '
            "'../_base_/tta.py' to its _base_ list, or leave --tta away"
        )
    pipeline = without_labels(cfg.tta_pipeline) if args.submit else cfg.tta_pipeline
    cfg.test_dataloader.dataset.pipeline = pipeline
    if cfg.get('source_test_dataloader'):
        cfg.source_test_dataloader.dataset.pipeline = cfg.tta_pipeline


def without_labels(steps: list[Any]) -> list[Any]:
    """Return the steps of a pipeline that do not load labels, those inside of others included."""
    kept = []
    for step in steps:
        if isinstance(step, dict):
            if step['type'].rpartition('.')[2] not in ('LoadLabels', 'LoadAnnotations'):
                nested = step.get('transforms')
                change = {'transforms': without_labels(nested)} if nested else {}
                kept.append({**step, **change})
        elif inner := without_labels(step):  # an empty list would mean: no variant at all
            kept.append(inner)
    return kept


def main() -> None:
    """Evaluate."""
    args = parse_args()
    check_file(args.checkpoint, 'checkpoint')
    cfg = read_config(args)
    if args.work_dir is None:
        suffix = '_tta' if args.tta else ''
        cfg.work_dir = str(Path(cfg.work_dir, f'test_{Path(args.checkpoint).stem}{suffix}'))
    set_evaluation(cfg, args)
    start_cpu_processes(cfg)
    Runner.from_cfg(cfg).test()
    end_processes()


if __name__ == '__main__':
    with user_errors():
        main()
