"""Plot what runs logged over training: losses, statistics, scores of validations.

    python tools/analysis_tools/plot_curves.py work_dirs/RUN_A work_dirs/RUN_B --keys teacher/mIoU

A panel per key, a line per run. Runs with the same name in --names, such as the seeds of a method,
are thin lines of one colour, and their mean is a thick one. Without --keys the keys of the runs are
listed.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import dts  # noqa: F401 - before anything imports mmseg
from dts.launch import user_errors
from dts.report.logged import Curves, Series, default_names, read_logged


class Run(NamedTuple):
    """A run: its name in the legend, its folder, and what it logged."""

    name: str
    folder: Path
    curves: Curves


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dirs', nargs='+', type=Path, help='folders of the runs')
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='KEY',
        help='as in the log; KEY,KEY for the first of them that a run has; default: list them',
    )
    parser.add_argument(
        '--names', nargs='+', help='legend, one per run; default: names or paths of the folders'
    )
    parser.add_argument('--out', type=Path, default=Path('curves.png'), help='PNG, PDF or SVG')
    args = parser.parse_args(argv)
    if args.names and len(args.names) != len(args.work_dirs):
        parser.error(f'{len(args.names)} names for {len(args.work_dirs)} runs')
    return args


def read_curves(work_dir: Path) -> Curves:
    """Return all curves of a run, those of training and of validations.

    Args:
        work_dir: folder of the run.

    Returns:
        Key -> step -> value; of a resumed run each step once.

    Raises:
        FileNotFoundError: if nothing was logged there.
    """
    logged = read_logged(work_dir)
    curves = {**logged.train, **logged.val}
    if not curves:
        raise FileNotFoundError(
            f'{work_dir}: nothing in */vis_data/scalars.json; give the work_dir of a training run'
        )
    return curves


def choose(curves: Curves, key: str, work_dir: Path) -> Series:
    """Return a curve, steps rising.

    Args:
        curves: of one run.
        key: the curve, or several with commas: the first that there is.
        work_dir: folder of the run, named in the error.

    Raises:
        ValueError: if the run has not logged it; names keys that are spelled alike.
    """
    for name in key.split(','):
        if name in curves:
            return dict(sorted(curves[name].items()))
    near = difflib.get_close_matches(key, curves, n=5, cutoff=0.4) or sorted(curves)[:5]
    raise ValueError(
        f'{work_dir} has logged no {key!r}; near it: {", ".join(near)} (without --keys all are '
        'listed)'
    )


def mean_of(series: Sequence[Series]) -> Series:
    """Return the mean at the steps that all have.

    Args:
        series: one per run.
    """
    steps = [step for step in series[0] if all(step in other for other in series)]
    return {step: sum(one[step] for one in series) / len(series) for step in steps}


def draw(panel: Axes, name: str, series: Sequence[Series]) -> None:
    """Draw the runs of one name: a thick line for their mean, thin ones for each of several.

    Args:
        panel: to draw on.
        name: in the legend.
        series: one per run.
    """
    mean = mean_of(series)
    style = 'o-' if len(mean) < 30 else '-'
    (line,) = panel.plot(mean.keys(), mean.values(), style, label=name, lw=1.5, ms=3)
    for one in series if len(series) > 1 else ():
        panel.plot(one.keys(), one.values(), color=line.get_color(), lw=0.6, alpha=0.6)


def plot(runs: Sequence[Run], keys: Sequence[str], out: Path) -> None:
    """Draw the curves.

    Args:
        runs: name, folder and curves of each.
        keys: one panel each.
        out: file to write.

    Raises:
        ValueError: if a run has not logged a key.
    """
    figure = Figure(figsize=(5.5 * len(keys), 4), layout='constrained')
    panels = figure.subplots(1, len(keys), squeeze=False)[0]
    for panel, key in zip(panels, keys, strict=True):
        for name in dict.fromkeys(run.name for run in runs):
            same = [choose(run.curves, key, run.folder) for run in runs if run.name == name]
            draw(panel, name, same)
        panel.set_title(key.replace(',', ' or '), fontsize=10)
        panel.set_xlabel('iteration')
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.savefig(out, dpi=120)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the logs; write the figure or list the keys."""
    args = parse_args(argv)
    with user_errors():
        names = args.names or default_names(args.work_dirs)
        runs = [Run(n, d, read_curves(d)) for n, d in zip(names, args.work_dirs, strict=True)]
        if not args.keys:
            print('\n'.join(sorted({key for run in runs for key in run.curves})))
            return
        plot(runs, args.keys, args.out)
    print(args.out)


if __name__ == '__main__':
    main()
