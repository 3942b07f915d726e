"""Run a table of configs, splits and seeds, and write its scores into a README.

``python tools/benchmarks/run_table.py configs/mean_teacher/table_camvid.yml``
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from result_table.configs import check_teachers
from result_table.processes import run_cells
from result_table.progress import say
from result_table.protocols import check_protocols
from result_table.records import replace_file
from result_table.render import render, replace_block
from result_table.results import Results
from result_table.runs import collect, gather
from result_table.spec import Table
from result_table.table_file import load_table

from dts.child_process import locked

TRAIN_SCRIPT = Path('tools/train.py')
RESULTS = Path('tools/benchmarks/results.jsonl')


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Run what is missing of a result table, each run as a single-threaded process, '
        'and rewrite the table of its README after every run. Stop it whenever you like and start '
        'it again: runs with a result are skipped, others go on from their newest checkpoint. A '
        'run starts when those that it learns or starts from are done.'
    )
    parser.add_argument('table', type=Path, help='table file, see configs/*/table_*.yml')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='default: one per core')
    parser.add_argument(
        '--only', metavar='PATTERN', help='runs whose row/split/seedN contains this, * allowed'
    )
    parser.add_argument('--render-only', action='store_true', help='only rewrite the README')
    parser.add_argument(
        '--work-root', type=Path, default=Path('work_dirs/tables'), help='folder of all runs'
    )
    parser.add_argument(
        '--results',
        type=Path,
        default=RESULTS,
        help='results of finished runs of all tables (default: %(default)s); name a new file to '
        'make every run again',
    )
    return parser.parse_args(arguments)


def write_readme(table: Table, results: Results) -> None:
    """Rewrite the table in its README.

    Args:
        table: the table.
        results: of finished runs.

    Raises:
        FileNotFoundError: if there is no README.
        ValueError: if the README has no place for the table.
    """
    if not table.readme.is_file():
        raise FileNotFoundError(f'{table.file}: readme {table.readme} is not there: write it first')
    old = table.readme.read_text()
    new = replace_block(old, table.name, render(table, collect(table, results)), table.readme)
    if new != old:
        replace_file(table.readme, new)


def main(arguments: Sequence[str] | None = None, train_script: Path = TRAIN_SCRIPT) -> int:
    """Run the table.

    Args:
        arguments: command line; None takes that of the process.
        train_script: program that makes one run.

    Returns:
        Exit code, 1 when a run failed or could not start.
    """
    args = parse_args(arguments)
    table = load_table(args.table)
    check_protocols(table)
    check_teachers(table)
    root = args.work_root / table.name
    results = Results(args.results)

    def update() -> None:
        gather(table, root, results)
        write_readme(table, results)

    update()
    if args.render_only:
        return 0
    cells = list(table.cells())
    if args.only:
        cells = [cell for cell in cells if fnmatch.fnmatch(cell.name, f'*{args.only}*')]
    if not cells:
        raise ValueError(
            f'--only {args.only}: no such run; a name is for example {next(table.cells()).name}'
        )
    with locked(root, 'run_table.py'):
        failures = run_cells(
            cells,
            root,
            jobs=args.jobs,
            train_script=train_script,
            results=results,
            on_finished=update,
        )
    for line in failures:
        say(line)
    return 1 if failures else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'error: {error}')
