"""Train networks that teach each other: ``python tools/train_chain.py CHAIN``, a chain file.

A stage is a run of ``tools/train.py``; the last checkpoints of earlier stages are its teachers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from chain.ensemble import evaluate_ensemble
from chain.plan import plan
from chain.spec import load_chain
from chain.stages import run_stages

import dts  # noqa: F401 - before anything imports mmseg
from dts.child_process import locked
from dts.launch import user_errors

TRAIN_SCRIPT = Path(__file__).with_name('train.py')


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Train the stages of a chain, one after the other. Stop it whenever you like '
        'and start it again: finished stages are skipped, the one that was stopped goes on from '
        'its newest checkpoint. A stage whose settings changed is trained anew, and so are those '
        'that it teaches; the old folder is kept.'
    )
    parser.add_argument('chain', type=Path, help='chain file, see configs/*/chain_*.yml')
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='folder of all stages, default: work_dirs/<chain file stem>, with the values of --set',
    )
    parser.add_argument(
        '--gpus',
        type=int,
        default=1,
        metavar='N',
        help='train every stage on N GPUs of this machine, as tools/dist_train.sh does (without a '
        'GPU: N processes on the CPU; PORT as there)',
    )
    parser.add_argument(
        '--set',
        nargs='+',
        default=[],
        metavar='NAME=VALUE',
        help='texts for the places ${NAME} of the chain file',
    )
    args = parser.parse_args(arguments)
    if args.gpus < 1:
        parser.error(f'--gpus must be at least 1, got {args.gpus}')
    if wrong := [text for text in args.set if '=' not in text]:
        parser.error(f'--set takes NAME=VALUE, got {wrong[0]!r}')
    args.set = dict(text.split('=', 1) for text in args.set)
    return args


def main(arguments: Sequence[str] | None = None, train_script: Path = TRAIN_SCRIPT) -> None:
    """Train all stages, and evaluate the ensemble if the chain has one.

    Args:
        arguments: command line; None takes that of the process.
        train_script: program that makes one run.
    """
    args = parse_args(arguments)
    chain = load_chain(args.chain, args.set)
    name = '-'.join([args.chain.stem, *args.set.values()]).replace('/', '-')
    root = args.work_dir or Path('work_dirs', name)
    runs = plan(chain, root, args.gpus)
    with locked(root, 'train_chain.py'):
        run_stages(runs, train_script)
        if chain.ensemble:
            members = {run.stage.name: run for run in runs}
            evaluate_ensemble([members[name] for name in chain.ensemble], root)


if __name__ == '__main__':
    with user_errors():
        main()
