"""Plot what a model learns and how it adapts when more and more of its training is target.

``python tools/benchmarks/plot_target_share.py configs/dts/table_toy_city_game2street_share.yml``
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from result_table.results import Results
from result_table.runs import collect
from result_table.table_file import load_table

from dts.launch import user_errors

SHARE = re.compile(r'(\d+) % target')
NETWORK = 'student'
GROUPS = ('alike', 'different')
STYLES = ('o-', 's-', '^-', 'x--')
COLLAPSED = 0.5  # a run with less than this share of the best learning is off the scale
Curves = dict[str, list[float]]


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Plot the premise of DTS from the finished runs of a table whose rows are '
        'called "N % target": IoU on target images of classes that look alike in both domains '
        '(learning) and of those that do not (adapting) over the share and against each other, '
        'and mIoU on source images.'
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


def make_curves(scores: Mapping[int, Mapping[str, float]]) -> Curves:
    """Return the curves of classes that look alike, of the others, and of all on source images.

    Args:
        scores: metrics by share, 0 among them.

    Returns:
        Legend -> one value per share.
    """
    curves: Curves = {}
    for what, names in zip(GROUPS, split_classes(scores[0]), strict=True):
        curves[f'{what}: {", ".join(names)}'] = [
            sum(of_share[f'{NETWORK}/IoU.{name}'] for name in names) / len(names)
            for of_share in scores.values()
        ]
    curves['all classes'] = [of_share[f'{NETWORK}/mIoU'] for of_share in scores.values()]
    source = [of_share[f'source/{NETWORK}/mIoU'] for of_share in scores.values()]
    return curves | {'all classes, source images': source}


def draw_curves(panel: Axes, shares: Sequence[int], curves: Curves) -> None:
    """Draw all curves over the share.

    Args:
        panel: to draw on.
        shares: target shares in percent.
        curves: of ``make_curves``.
    """
    for (name, values), style in zip(curves.items(), STYLES, strict=True):
        panel.plot(shares, values, style, label=name, lw=1.5)
    panel.set_xlabel('target share of training pixels, nominal (%)')
    panel.set_ylabel('mean IoU (%), target images unless said')
    panel.set_xticks(list(shares))


def draw_trade(panel: Axes, shares: Sequence[int], curves: Curves) -> None:
    """Draw learning against adapting, a point per share; collapsed runs are named, not drawn.

    Args:
        panel: to draw on.
        shares: target shares in percent.
        curves: of ``make_curves``.
    """
    learning, adapting = list(curves.values())[:2]
    points = list(zip(shares, learning, adapting, strict=True))
    shown = [point for point in points if point[1] >= COLLAPSED * max(learning)]
    for share, x, y in shown:
        panel.annotate(f'{share} %', (x, y), (0, 8), textcoords='offset points', ha='center')
    panel.plot([x for _, x, _ in shown], [y for _, _, y in shown], 'o-', color='0.4', lw=1)
    panel.margins(0.12)
    panel.set_xlabel('learning: mean IoU (%) of alike classes')
    panel.set_ylabel('adapting: mean IoU (%) of different classes')
    outside = [
        f'{share} %: ({x:.0f}, {y:.0f})' for share, x, y in points if (share, x, y) not in shown
    ]
    if outside:
        note = 'not drawn: ' + ', '.join(outside)
        panel.text(0.03, 0.95, note, transform=panel.transAxes, fontsize=8)


def plot(shares: Sequence[int], curves: Curves, title: str, out: Path) -> None:
    """Draw both panels.

    Args:
        shares: target shares in percent.
        curves: of ``make_curves``.
        title: above both.
        out: file to write.
    """
    figure = Figure(figsize=(9.5, 4.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    draw_curves(left, shares, curves)
    draw_trade(right, shares, curves)
    for panel in (left, right):
        panel.grid(alpha=0.3)
    figure.legend(
        *left.get_legend_handles_labels(), loc='outside lower center', ncols=2, fontsize=8
    )
    figure.suptitle(title, fontsize=10)
    figure.savefig(out, dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the runs and write the figure."""
    args = parse_args(arguments)
    scores = read_scores(args.table, args.results)
    plot(list(scores), make_curves(scores), load_table(args.table).title, args.out)
    print(args.out)


if __name__ == '__main__':
    with user_errors():
        main()
