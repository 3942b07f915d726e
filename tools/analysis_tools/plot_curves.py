"""Plot what runs logged over training: losses, statistics, scores of validations.

    python tools/analysis_tools/plot_curves.py work_dirs/RUN_A work_dirs/RUN_B --keys teacher/mIoU

A panel per key, a line per run. Without --keys the keys of the runs are listed.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

import dts  # noqa: F401 - before anything imports mmseg
from dts.launch import user_errors
from dts.report.logged import Curves, read_logged


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dirs', nargs='+', type=Path, help='folders of the runs')
    parser.add_argument(
        '--keys', nargs='+', metavar='KEY', help='as in the log; default: list them'
    )
    parser.add_argument('--names', nargs='+', help='legend; default: names of the folders')
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


def choose(curves: Curves, key: str, work_dir: Path) -> tuple[list[int], list[float]]:
    """Return steps and values of a curve.

    Args:
        curves: of one run.
        key: the curve.
        work_dir: folder of the run, named in the error.

    Raises:
        ValueError: if the run has not logged it; names keys that are spelled alike.
    """
    if key not in curves:
        near = difflib.get_close_matches(key, curves, n=5, cutoff=0.4) or sorted(curves)[:5]
        raise ValueError(
            f'{work_dir} has logged no {key!r}; near it: {", ".join(near)} (without --keys all are '
            'listed)'
        )
    series = sorted(curves[key].items())
    return [step for step, _ in series], [value for _, value in series]


def plot(runs: Mapping[str, tuple[Path, Curves]], keys: Sequence[str], out: Path) -> None:
    """Draw the curves.

    Args:
        runs: folder and curves by the name of the run.
        keys: one panel each.
        out: file to write.

    Raises:
        ValueError: if a run has not logged a key.
    """
    figure = Figure(figsize=(5.5 * len(keys), 4), layout='constrained')
    panels = figure.subplots(1, len(keys), squeeze=False)[0]
    for panel, key in zip(panels, keys, strict=True):
        for name, (folder, curves) in runs.items():
            steps, values = choose(curves, key, folder)
            style = 'o-' if len(steps) < 30 else '-'
            panel.plot(steps, values, style, label=name, lw=1.5, ms=3)
        panel.set_title(key, fontsize=10)
        panel.set_xlabel('iteration')
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.savefig(out, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the logs; write the figure or list the keys."""
    args = parse_args(argv)
    with user_errors():
        names = args.names or [folder.name for folder in args.work_dirs]
        runs = {n: (d, read_curves(d)) for n, d in zip(names, args.work_dirs, strict=True)}
        if not args.keys:
            print('\n'.join(sorted({key for _, curves in runs.values() for key in curves})))
            return
        plot(runs, args.keys, args.out)
    print(args.out)


if __name__ == '__main__':
    main()
