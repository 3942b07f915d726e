"""Plot how close teachers and student are over training, for one or several runs.

    python tools/analysis_tools/plot_coupling.py work_dirs/RUN_A work_dirs/RUN_B --out coupling.png

Runs log the two curves with ``custom_hooks`` entry ``dict(type='dts.CouplingHook', interval=20)``
beside their teacher hook.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

import dts  # noqa: F401 - before anything imports mmseg
from dts.launch import user_errors
from dts.report.logged import read_logged

QUANTITIES = {
    'distance': 'distance ||teacher - student|| / ||student||',
    'agreement': 'agreement (share of pixels)',
}
Curves = dict[tuple[str, str], list[tuple[int, float]]]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dirs', nargs='+', type=Path, help='folders of the runs')
    parser.add_argument('--names', nargs='+', help='legend; default: names of the folders')
    parser.add_argument('--out', type=Path, default=Path('coupling.png'), help='PNG, PDF or SVG')
    args = parser.parse_args(argv)
    if args.names and len(args.names) != len(args.work_dirs):
        parser.error(f'{len(args.names)} names for {len(args.work_dirs)} runs')
    return args


def read_curves(work_dir: Path) -> Curves:
    """Return the curves of one run, resumed parts put together.

    Args:
        work_dir: folder of the run.

    Returns:
        (teacher, quantity) -> [(step, value), ...] in order of steps; a step that a resumed run
        repeated has the later value.

    Raises:
        FileNotFoundError: if there is no log.
        ValueError: if the log has no such curve.
    """
    logged = read_logged(work_dir).train
    if not logged:
        raise FileNotFoundError(
            f'{work_dir}: no */vis_data/scalars.json; give the work_dir of a training run'
        )
    curves: Curves = {}
    for key, series in logged.items():
        teacher, _, quantity = key.rpartition('.')
        if quantity in QUANTITIES:
            curves[teacher, quantity] = sorted(series.items())
    if not curves:
        raise ValueError(
            f"{work_dir}: its log has no curve of teachers; add dict(type='dts.CouplingHook') to "
            'custom_hooks and train again'
        )
    return curves


def plot(runs: dict[str, Curves], out: Path) -> None:
    """Draw both quantities of all runs, one colour per run, one line style per teacher.

    Args:
        runs: curves by the name of the run.
        out: file to write.
    """
    figure = Figure(figsize=(11, 4), layout='constrained')
    panels = figure.subplots(1, 2)
    for panel, (quantity, label) in zip(panels, QUANTITIES.items(), strict=True):
        for number, (name, curves) in enumerate(runs.items()):
            teachers = [teacher for teacher, kind in curves if kind == quantity]
            for teacher, style in zip(teachers, ('-', '--', ':', '-.') * 8, strict=False):
                steps, values = zip(*curves[teacher, quantity], strict=True)
                panel.plot(
                    steps, values, style, color=f'C{number}', label=f'{name}: {teacher}', lw=1.5
                )
        panel.set_xlabel('iteration')
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.savefig(out, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the logs and write the figure."""
    args = parse_args(argv)
    with user_errors():
        names = args.names or [folder.name for folder in args.work_dirs]
        plot({n: read_curves(d) for n, d in zip(names, args.work_dirs, strict=True)}, args.out)
    print(args.out)


if __name__ == '__main__':
    main()
