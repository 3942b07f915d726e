"""Plot what a model learns and how it adapts when more and more of its training is target.

``python tools/benchmarks/plot_target_share.py configs/dts/table_toy_city_game2street_share.yml``
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from result_table.results import Results
from result_table.runs import collect
from result_table.table_file import load_table

from dts.launch import user_errors

SHARE = re.compile(r'(\d+) % target')
NETWORK = 'student'
Curves = dict[str, list[float]]


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Plot the premise of DTS from the finished runs of a table whose rows are '
        'called "N % target": IoU on target images of classes that look alike in both domains '
        '(learning), of those that do not (adapting), and on source images.'
    )
    parser.add_argument('table', type=Path, help='table file')
    parser.add_argument('--out', type=Path, default=Path('target_share.png'), help='PNG, PDF, SVG')
    parser.add_argument(
        '--results',
        type=Path,
        default=Path('tools/benchmarks/results.jsonl'),
        help='results of finished runs (default: %(default)s)',
    )
    return parser.parse_args(arguments)


def read_scores(table_file: Path, results: Path) -> dict[int, Mapping[str, float]]:
    """Return the metrics of the first seed by target share.

    Args:
        table_file: the table.
        results: file of finished runs.

    Returns:
        Share in percent -> metrics, shares rising.

    Raises:
        ValueError: if fewer than two runs are finished, or the run without target is not.
    """
    table = load_table(table_file)
    runs = collect(table, Results(results))
    found: dict[int, Mapping[str, float]] = {}
    for (row, _, seed), run in runs.items():
        named = SHARE.fullmatch(row)
        if named and seed == table.seeds[0]:
            found[int(named[1])] = {k: v for k, v in run.scores.items() if v is not None}
    if len(found) < 2 or 0 not in found:
        raise ValueError(
            f'{table_file}: needs finished runs of "0 % target" and of another share, found '
            f'{sorted(found)} in {results}: run tools/benchmarks/run_table.py first'
        )
    return dict(sorted(found.items()))


def split_classes(scores: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Return the classes that look alike in both domains, and the others.

    Alike is the half of the classes that keep most of their source IoU on target images when the
    model was trained without target; the middle one of an odd number is alike.

    Args:
        scores: metrics of the run without target.

    Returns:
        Names, best kept first.
    """
    prefix = f'{NETWORK}/IoU.'
    names = [key.removeprefix(prefix) for key in scores if key.startswith(prefix)]
    kept = {n: scores[prefix + n] / max(scores[f'source/{prefix}{n}'], 1e-6) for n in names}
    ranked = sorted(names, key=lambda name: -kept[name])
    half = (len(ranked) + 1) // 2
    return ranked[:half], ranked[half:]


def make_curves(scores: Mapping[int, Mapping[str, float]]) -> tuple[Curves, Curves]:
    """Return the curves on target and on source images.

    Args:
        scores: metrics by share, 0 among them.

    Returns:
        Legend -> one value per share, twice.
    """
    alike, different = split_classes(scores[0])
    target: Curves = {}
    for what, names in (('alike', alike), ('different', different)):
        values = [
            sum(of_share[f'{NETWORK}/IoU.{name}'] for name in names) / len(names)
            for of_share in scores.values()
        ]
        target[f'{what}: {", ".join(names)}'] = values
    target['all classes'] = [of_share[f'{NETWORK}/mIoU'] for of_share in scores.values()]
    source = {'all classes': [of[f'source/{NETWORK}/mIoU'] for of in scores.values()]}
    return target, source


def plot(shares: Sequence[int], target: Curves, source: Curves, out: Path) -> None:
    """Draw both panels.

    Args:
        shares: target shares in percent.
        target: curves on target images.
        source: curves on source images.
        out: file to write.
    """
    figure = Figure(figsize=(11, 4.2), layout='constrained')
    panels = figure.subplots(1, 2)
    for panel, title, curves in zip(
        panels, ('target images', 'source images'), (target, source), strict=True
    ):
        for (name, values), marker in zip(curves.items(), 'os^', strict=False):
            panel.plot(shares, values, marker=marker, label=name, lw=1.5)
        panel.set_title(title)
        panel.set_xlabel('target share of training pixels, nominal (%)')
        panel.set_ylabel('mean IoU (%)')
        panel.set_xticks(list(shares))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.savefig(out, dpi=150)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the runs and write the figure."""
    args = parse_args(arguments)
    scores = read_scores(args.table, args.results)
    plot(list(scores), *make_curves(scores), args.out)
    print(args.out)


if __name__ == '__main__':
    with user_errors():
        main()
