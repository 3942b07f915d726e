"""The text of a result table, from its finished runs alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dts.evaluation.statistics import (
    BySeed,
    Summary,
    mean_over_splits,
    paired_difference,
    summarize,
)
from dts.label_assisted.views import is_view
from result_table.runs import Runs, mean_minutes, mean_step_time
from result_table.spec import Row, Table

END_MARKER = '<!-- /table -->'
MISSING = '-'


def render(table: Table, runs: Runs) -> str:
    """Return the Markdown of a table.

    Args:
        table: the table.
        runs: (row, split, seed) -> finished run.

    Returns:
        Score table, differences to the first row, classes of one split, and provenance. Networks
        that see labels have a table of their own and are compared with nothing.
    """
    parts = [f'**{table.title}**', _score_table(table, runs, sees_labels=False)]
    if any(is_view(metric) for row in table.rows for metric in row.columns):
        parts += [
            'Teachers that see the labels, scored with them and without (an oracle: its scores are '
            'compared with nothing):',
            _score_table(table, runs, sees_labels=True),
        ]
    if len(table.rows) > 1:
        base_metrics = ', '.join(dict.fromkeys(base for _, _, base in _compared(table.rows)))
        parts += [
            f'Difference to {table.rows[0].name} ({base_metrics}) with the same seed and split, '
            'in points:',
            _difference_table(table, runs),
        ]
    if table.per_class is not None:
        parts += [f'IoU per class, split {table.per_class}:', _class_table(table, runs)]
    parts.append(_provenance(table, runs))
    return '\n\n'.join(parts)


def replace_block(text: str, name: str, block: str, file: Path) -> str:
    """Put a table between its markers.

    Args:
        text: of the README.
        name: of the table.
        block: the new table.
        file: named in the error.

    Returns:
        The new text.

    Raises:
        ValueError: if the markers are not there.
    """
    start_marker = f'<!-- table: {name} -->'
    before, found, rest = text.partition(start_marker)
    _, found_end, after = rest.partition(END_MARKER)
    if not found or not found_end:
        raise ValueError(
            f'{file} has no place for the table {name!r}: add the lines {start_marker!r} and '
            f'{END_MARKER!r}'
        )
    return f'{before}{start_marker}\n\n{block}\n\n{END_MARKER}{after}'


def format_summary(
    summary: Summary, expected: int, *, signed: bool = False, is_restricted: bool = False
) -> str:
    """Return a mean with its spread, and how many seeds it has if some are missing or left out.

    Args:
        summary: over seeds.
        expected: how many seeds it should have.
        signed: whether a positive mean has its sign.
        is_restricted: whether the row has fewer seeds than the table.
    """
    if summary.mean is None:
        return MISSING
    text = f'{summary.mean:+.2f}' if signed else f'{summary.mean:.2f}'
    if summary.spread is not None:
        text += f' +- {summary.spread:.2f}'
    if summary.size < expected:
        text += f' ({summary.size} of {expected} seeds)'
    elif is_restricted:
        text += f' ({expected} seed{"s" if expected > 1 else ""})'
    return text


def _by_seed(table: Table, runs: Runs, row: str, split: str, metric: str) -> BySeed:
    """Return seed -> score where it is known."""
    found = {}
    for seed in table.seeds:
        run = runs.get((row, split, seed))
        value = None if run is None else run.scores.get(metric)
        if value is not None:
            found[seed] = value
    return found


def _score_table(table: Table, runs: Runs, *, sees_labels: bool) -> str:
    """Mean and spread per method, metric and split; mean over several splits; cost.

    One table is that of ordinary networks, another that of those which see labels.
    """
    speed = ['ms/step'] if table.step_time else []
    lines = [['method', 'metric', *_score_columns(table), 'CPU min', *speed]]
    for row in table.rows:
        costs = [_cost_text(table, runs, row)]
        if table.step_time:
            time = mean_step_time(runs, row)
            costs.append(MISSING if time is None else f'{time:.0f}')
        for metric in row.columns:
            if is_view(metric) != sees_labels:
                continue
            splits = [_by_seed(table, runs, row.name, s.name, metric) for s in table.splits]
            texts = _score_texts(table, row.seeds, splits, signed=False)
            lines.append([row.name, metric, *texts, *costs])
    return _markdown(lines)


def _cost_text(table: Table, runs: Runs, row: Row) -> str:
    """CPU minutes of a row, and behind them those of the rows before it."""
    own, earlier = mean_minutes(table, runs, row)
    if own is None:
        return MISSING
    if not row.before:
        return f'{own:.1f}'
    return f'{own:.1f} (+ {MISSING if earlier is None else f"{earlier:.1f}"})'


def _difference_table(table: Table, runs: Runs) -> str:
    """Differences to the first row, paired by split and seed."""
    baseline = table.rows[0]
    lines = [['method', 'metric', *_score_columns(table), 'each seed']]
    for row, metric, base_metric in _compared(table.rows):
        splits = [
            paired_difference(
                _by_seed(table, runs, row.name, split.name, metric),
                _by_seed(table, runs, baseline.name, split.name, base_metric),
            )
            for split in table.splits
        ]
        shared = [seed for seed in row.seeds if seed in baseline.seeds]
        texts = _score_texts(table, shared, splits, signed=True)
        seeds = ', '.join(f'{value:+.2f}' for value in mean_over_splits(splits).values())
        lines.append([row.name, metric, *texts, seeds or MISSING])
    return _markdown(lines)


def _score_columns(table: Table) -> list[str]:
    """Names of the splits, and of their mean if there are several."""
    return [*(split.name for split in table.splits), *(['mean'] if len(table.splits) > 1 else [])]


def _score_texts(
    table: Table, seeds: Sequence[int], splits: Sequence[BySeed], *, signed: bool
) -> list[str]:
    """Mean and spread over the seeds of a row, one for each of ``_score_columns``."""
    values = [*splits, *([mean_over_splits(splits)] if len(splits) > 1 else [])]
    cells = [summarize(value.values()) for value in values]
    is_restricted = len(seeds) < len(table.seeds)
    return [
        format_summary(cell, len(seeds), signed=signed, is_restricted=is_restricted)
        for cell in cells
    ]


def _class_table(table: Table, runs: Runs) -> str:
    """Mean over seeds of the IoU of every class, one column per method and network."""
    split = table.per_class or ''
    columns = [
        (row.name, metric.rpartition('/')[0])
        for row in table.rows
        for metric in row.columns
        if not is_view(metric)
    ]
    lines = [['class', *(f'{row}, {network}' for row, network in columns)]]
    keys = [key for run in runs.values() for key in run.scores if '/IoU.' in key]
    for name in dict.fromkeys(key.partition('/IoU.')[2] for key in keys):
        metrics = [(row, f'{network}/IoU.{name}') for row, network in columns]
        values = [_by_seed(table, runs, row, split, metric).values() for row, metric in metrics]
        means = [summarize(value).mean for value in values]
        lines.append([name, *(MISSING if mean is None else f'{mean:.1f}' for mean in means)])
    return _markdown(lines)


def _provenance(table: Table, runs: Runs) -> str:
    """Say how the numbers were made."""
    commits = _listed(commit for run in runs.values() for commit in run.commits)
    machines = _listed(run.machine for run in runs.values())
    versions = _listed(
        ' '.join(f'{name} {version}' for name, version in run.versions.items())
        for run in runs.values()
    )
    total = sum(1 for _ in table.cells())
    dates = sorted(date[:10] for run in runs.values() for date in run.dates)
    seeds = ', '.join(map(str, table.seeds))
    period = MISSING if not dates else ' to '.join(dict.fromkeys((dates[0], dates[-1])))
    return (
        f'Command: `python tools/benchmarks/run_table.py {table.file.as_posix()}`. '
        f'{len(runs)} of {total} runs. Seeds: {seeds} (of the run and of the split); +- is the '
        'sample standard deviation over seeds; mean: of the splits, per seed. '
        f'{_cost_legend(table)}Code: {commits}. Machine: {machines}, one thread per run. '
        f'Versions: {versions}. Date: {period}.'
    )


def _cost_legend(table: Table) -> str:
    """Say what the columns of cost are."""
    before = ''
    if any(row.teachers for row in table.rows):
        before = ', in brackets that of its teachers'
    if any(row.start for row in table.rows):
        before += f'{" and" if before else ", in brackets that"} of the run that it starts from'
    speed = 'ms/step: wall-clock time of a training step, loading included. '
    return (
        f'CPU min: user and system time of a run, test included{before}. '
        f'{speed if table.step_time else ""}'
    )


def _compared(rows: Sequence[Row]) -> list[tuple[Row, str, str]]:
    """Return (row, metric, metric of the first row that it is compared with).

    That is the first one of the same domain: scores on source images (``source/``) are compared
    with each other, and are left out if the first row shows none. Networks that see labels are
    compared with nothing.
    """
    base: dict[bool, str] = {}
    for metric in rows[0].columns:
        base.setdefault(metric.startswith('source/'), metric)
    pairs = [(row, metric) for row in rows for metric in row.columns if not is_view(metric)]
    return [
        (row, metric, base[domain])
        for row, metric in pairs
        if (domain := metric.startswith('source/')) in base
        and not (row is rows[0] and metric == base[domain])
    ]


def _listed(values: Iterable[str]) -> str:
    """Join the different values in their order."""
    return '; '.join(dict.fromkeys(values)) or MISSING


def _markdown(lines: list[list[str]]) -> str:
    """Return a Markdown table; the first line is the head."""
    rule = ['---'] * len(lines[0])
    return '\n'.join(f'| {" | ".join(line)} |' for line in [lines[0], rule, *lines[1:]])
