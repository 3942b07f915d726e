"""Plot how close teachers and student are over training, for one or several runs.

    python tools/analysis_tools/plot_coupling.py work_dirs/RUN_A work_dirs/RUN_B --out coupling.png

Runs log the curves with ``dts.CouplingHook`` beside their teacher hook. The line of a teacher is
thick while it is on duty, and begins with its first turn: until then it is the network that the
student was at the start. A Markdown table of the means is printed.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure

import dts  # noqa: F401 - before anything imports mmseg
from dts.launch import user_errors
from dts.report.logged import default_names, read_logged

QUANTITIES = {
    'distance': 'distance ||teacher - student|| / ||student||',
    'agreement': 'agreement (share of pixels)',
}
ACTIVE = 'teacher.active'  # index of the teacher on duty, logged where there are several
COLORS = 4  # per run: a family of matplotlib's tab20c
Points = list[tuple[int, float]]
Curves = dict[tuple[str, str], Points]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dirs', nargs='+', type=Path, help='folders of the runs')
    parser.add_argument('--names', nargs='+', help='legend; default: names of the folders')
    parser.add_argument('--out', type=Path, default=Path('coupling.png'), help='PNG, PDF or SVG')
    args = parser.parse_args(argv)
    if args.names and len(args.names) != len(args.work_dirs):
        parser.error(f'{len(args.names)} names for {len(args.work_dirs)} runs')
    if args.names and len(set(args.names)) < len(args.names):
        parser.error(f'two runs have one name in --names {" ".join(args.names)}')
    return args


def read_curves(work_dir: Path) -> Curves:
    """Return the curves of one run, resumed parts put together.

    Args:
        work_dir: folder of the run.

    Returns:
        (teacher, quantity) -> [(step, value), ...] in order of steps, from the first turn of the
        teacher on; a step that a resumed run repeated has the later value. Quantities are those of
        ``QUANTITIES``, and ``duty``, which is 1 where the teacher was on duty and 0 elsewhere.

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
    active = logged.get(ACTIVE, {})
    for teacher in teachers_of(curves):
        index = teacher.rpartition('.')[2]  # of ``teacher.1``; a single teacher has none
        steps = [step for step, _ in curves[teacher, 'distance']]
        duty = [not index.isdigit() or active.get(step, 0.0) == int(index) for step in steps]
        curves[teacher, 'duty'] = list(zip(steps, map(float, duty), strict=True))
        first = next((step for step, on in curves[teacher, 'duty'] if on), math.inf)
        for quantity in (*QUANTITIES, 'duty'):
            points = [point for point in curves.pop((teacher, quantity)) if point[0] >= first]
            if points:
                curves[teacher, quantity] = points
    return curves


def teachers_of(curves: Curves) -> list[str]:
    """Return the names of the teachers of a run, sorted.

    Args:
        curves: of ``read_curves``.
    """
    return sorted({teacher for teacher, _ in curves})


def split_by_duty(curves: Curves, teacher: str, quantity: str) -> tuple[Points, Points]:
    """Return the points at which a teacher was on duty, and the others.

    Args:
        curves: of a run.
        teacher: its name.
        quantity: one of ``QUANTITIES``.
    """
    duty = dict(curves[teacher, 'duty'])
    points = curves[teacher, quantity]
    on_duty = [point for point in points if duty[point[0]]]
    return on_duty, [point for point in points if not duty[point[0]]]


def summarize(runs: dict[str, Curves]) -> str:
    """Return a Markdown table of the means over the training.

    Args:
        runs: curves by the name of the run.
    """
    lines = ['| run | teachers | distance | agreement (%) |', '| --- | --- | --- | --- |']
    for name, curves in runs.items():
        for number, role in enumerate(('on duty', 'at rest')):
            values = {
                quantity: [
                    value
                    for teacher in teachers_of(curves)
                    for _, value in split_by_duty(curves, teacher, quantity)[number]
                ]
                for quantity in QUANTITIES
            }
            if all(values.values()):
                distance, agreement = map(statistics.fmean, values.values())
                lines.append(f'| {name} | {role} | {distance:.4f} | {100 * agreement:.1f} |')
    return '\n'.join(lines)


def plot(runs: dict[str, Curves], out: Path) -> None:
    """Draw both quantities of all runs, one family of colours per run, one colour per teacher.

    Args:
        runs: curves by the name of the run.
        out: file to write.
    """
    figure = Figure(figsize=(11, 4.6), layout='constrained')
    panels = figure.subplots(1, 2)
    palette = colormaps['tab20c'].colors
    for panel, (quantity, label) in zip(panels, QUANTITIES.items(), strict=True):
        for number, (name, curves) in enumerate(runs.items()):
            for index, teacher in enumerate(teachers_of(curves)):
                color = palette[(COLORS * number + index % COLORS) % len(palette)]
                steps, values = zip(*curves[teacher, quantity], strict=True)
                panel.plot(steps, values, color=color, label=f'{name}: {teacher}', lw=1.0)
                on_duty = dict(split_by_duty(curves, teacher, quantity)[0])
                thick = [on_duty.get(step, math.nan) for step in steps]
                panel.plot(steps, thick, color=color, lw=3.0)
        panel.set_xlabel('iteration')
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=4, title='thick: on duty')
    figure.savefig(out, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the logs and write the figure."""
    args = parse_args(argv)
    with user_errors():
        names = args.names or default_names(args.work_dirs)
        runs = {n: read_curves(d) for n, d in zip(names, args.work_dirs, strict=True)}
        plot(runs, args.out)
    print(f'{args.out}\n\n{summarize(runs)}')


if __name__ == '__main__':
    main()
