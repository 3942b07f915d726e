"""The first section: scores over seeds, what each run is, and what it cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from dts.evaluation.statistics import Summary, paired_difference, summarize
from dts.report.blocks import Block, Note, Section, Table
from dts.report.groups import Group
from dts.report.logged import networks_of
from dts.report.run import Run

MISSING = '-'
METRICS = ('mIoU', 'mAcc', 'aAcc')
TIME_FORMAT = '%Y-%m-%d %H:%M:%S'


def overview_section(groups: Sequence[Group]) -> Section:
    """Compare the runs.

    Args:
        groups: of the report.
    """
    runs = [run for group in groups for run in group.runs]
    blocks: list[Block] = [_score_table(groups) or _no_scores(), _fact_table(runs)]
    return Section('overview', 'Overview', [*blocks, _cost_table(runs)])


def format_summary(summary: Summary, *, is_signed: bool = False) -> str:
    """Write a mean with its spread and the number of seeds.

    Args:
        summary: of scores or differences.
        is_signed: whether a plus sign is written.
    """
    if summary.mean is None:
        return MISSING
    text = f'{summary.mean:+.2f}' if is_signed else f'{summary.mean:.2f}'
    return text if summary.spread is None else f'{text} \u00b1 {summary.spread:.2f}'


def _no_scores() -> Note:
    """Say why there is no comparison."""
    return Note(
        'Scores: no run has a test.json or a validation in its log yet; python tools/test.py '
        'CONFIG CHECKPOINT writes one.'
    )


def _score_table(groups: Sequence[Group]) -> Table | None:
    """Compare settings by mean over seeds; None without any score."""
    rows: list[list[str]] = []
    baselines: dict[bool, Mapping[int, float]] = {}  # the first row on target, and on source images
    for group in groups:
        keys = dict.fromkeys(key for run in group.runs for key in run.scores)
        for network in networks_of(keys):
            scores = {name: group.scores(f'{network}/{name}') for name in METRICS}
            means = [summarize(scores[name].values()) for name in METRICS]
            difference, is_source = MISSING, network.startswith('source/')
            if is_source in baselines:
                pairs = paired_difference(scores['mIoU'], baselines[is_source])
                difference = format_summary(summarize(pairs.values()), is_signed=True)
            baselines.setdefault(is_source, scores['mIoU'])
            seeds = ', '.join(f'{score:.2f}' for score in scores['mIoU'].values())
            texts = [format_summary(mean) for mean in means]
            rows.append([group.name, network, str(means[0].size), *texts, difference, seeds])
    sources = dict.fromkeys(run.scores_source for g in groups for run in g.runs if run.scores)
    header = ('setting', 'network', 'runs', *METRICS, 'mIoU against the first row', 'mIoU of runs')
    caption = (
        f'In percent, from {", ".join(sources)}. Runs whose configs differ in the seed alone are '
        'one row: mean \u00b1 sample standard deviation (denominator n - 1). Differences are taken '
        'between runs of the same seed, scores on source images (source/) among themselves.'
    )
    return Table('Scores', header, rows, caption) if rows else None


def _fact_table(runs: Sequence[Run]) -> Table:
    """Describe every run, one column each."""
    facts = [_facts(run) for run in runs]
    names = dict.fromkeys(name for found in facts for name in found)
    rows = [[name, *(found.get(name) or MISSING for found in facts)] for name in names]
    rows = [row for row in rows if set(row[1:]) != {MISSING}]
    return Table('Runs', ('', *(run.name for run in runs)), rows, is_text=True)


def _facts(run: Run) -> Mapping[str, str]:
    """Return name -> text of what one run is."""
    record = run.record or {}
    attempts = record.get('attempts', [])
    seed = run.seed
    return {
        'folder': str(run.folder),
        'state': _state(run),
        'config': run.config_file if run.config is not None else f'{run.config_file} (unreadable)',
        'method': str(run.setting('model.type') or ''),
        'scores': run.scores_source,
        'seed': '' if seed is None else str(seed),
        'labelled images': str(_labeled_list(run) or ''),
        'starts': ', '.join(part.start.strftime(TIME_FORMAT) for part in run.parts),
        'torn log lines': str(run.logged.num_torn or ''),
        'commits': ', '.join(dict.fromkeys(str(a.get('commit')) for a in attempts)),
        'machine': run.fact('GPU') or str(record.get('machine', '')),
        'processes': run.fact('processes') or '',
        'PyTorch': run.fact('PyTorch') or '',
        'MMEngine': run.fact('MMEngine') or '',
        'Python': run.fact('Python') or '',
    }


def _state(run: Run) -> str:
    """Say how far a run came."""
    reached, wanted = run.reached, run.max_iters
    if reached is None:
        return 'nothing logged yet'
    if wanted is None:
        return f'step {reached}'
    if reached >= wanted:
        return f'finished, {wanted} steps'
    return f'unfinished: last trace at step {reached} of {wanted}'


def _labeled_list(run: Run) -> Any:
    """Return the list of the images whose labels are used."""
    streams = run.setting('train_dataloader.dataset.streams') or {}
    stream = streams.get('labeled') or streams.get('source') or {}
    return stream.get('ann_file')  # a data set may do without a list


def _cost_table(runs: Sequence[Run]) -> Table:
    """Say what every run cost, from its logs."""
    header = ('run', 'CPU minutes', 'wall minutes', 's / step', 'images/s', 'waiting for data')
    rows = []
    for run in runs:
        attempts = (run.record or {}).get('attempts', [])
        cpu = sum(a.get('cpu_seconds', 0) for a in attempts) / 60
        wall = sum(part.seconds for part in run.parts) / 60
        step, waiting = (_median(run, key) for key in ('time', 'data_time'))
        batch = run.setting('train_dataloader.batch_size')
        images = batch * int(run.fact('processes') or 1) if batch else None
        cells = [
            _number(cpu or None, 1),
            _number(wall or None, 1),
            _number(step, 3),
            _number(images / step if images and step else None, 2),
            f'{100 * waiting / step:.1f} %' if waiting is not None and step else MISSING,
        ]
        rows.append([run.name, *cells])
    caption = (
        'CPU minutes: user and system time of all attempts, which tools/benchmarks/run_table.py '
        'keeps in cell.json; other runs have none. Wall minutes: first to last line of every log, '
        'tests included. Time of a step: median of the logged means; images/s: batch of all '
        'processes, every stream, divided by it.'
    )
    return Table('Cost', header, rows, caption)


def _median(run: Run, key: str) -> float | None:
    """Return the median of a logged number."""
    series = run.logged.train.get(key)
    return statistics.median(series.values()) if series else None


def _number(value: float | None, digits: int) -> str:
    """Write a number, a dash for none."""
    return MISSING if value is None else f'{value:.{digits}f}'
