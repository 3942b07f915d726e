"""The section with the IoU of every class, and how it differs between settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dts.evaluation.statistics import Summary, paired_difference, summarize
from dts.report.blocks import Block, Choice, Note, Section, Table
from dts.report.charts import Bars, class_chart
from dts.report.groups import Group
from dts.report.logged import split_key
from dts.report.overview import MISSING, format_summary
from dts.report.style import run_colors

CLASS = 'IoU.'
SOURCE = 'source/'  # networks on images of the source domain, which have scores of their own


@dataclass(frozen=True)
class _Column:
    """One network of one setting."""

    group: Group
    network: str
    color: str
    is_hatched: bool

    @property
    def label(self) -> str:
        """Name in legends and tables."""
        return f'{self.group.name}, {self.network}'

    def scores(self, name: str) -> dict[int, float]:
        """Return seed -> IoU of a class."""
        return self.group.scores(f'{self.network}/{CLASS}{name}')


def classes_section(groups: Sequence[Group]) -> Section:
    """Show the IoU of every class.

    Args:
        groups: of the report.
    """
    columns, classes = _columns(groups), _classes(groups)
    blocks: list[Block] = []
    if not columns:
        blocks.append(
            Note('IoU of classes: no run has a test.json or a validation with class-wise IoU.')
        )
    else:
        domains = _domains(columns)
        blocks += [_iou_chart(domains, classes), _delta_chart(domains, classes)]
        blocks.append(_table(domains, classes))
    return Section('classes', 'Classes', blocks)


def _columns(groups: Sequence[Group]) -> list[_Column]:
    """Return the networks that have class-wise IoU; with one group every run is one by itself."""
    colors = run_colors(groups)
    alone = [Group(run.name, [run]) for run in groups[0].runs]
    columns = []
    for group in alone if len(groups) == 1 else groups:
        keys = [split_key(key) for run in group.runs for key in run.scores]
        networks = dict.fromkeys(net for net, metric in keys if metric.startswith(CLASS))
        color = colors[group.runs[0].name]
        columns += [_Column(group, net, color, i > 0) for i, net in enumerate(networks)]
    return columns


def _classes(groups: Sequence[Group]) -> list[str]:
    """Return the names of the classes, in the order of the metrics."""
    keys = [split_key(key)[1] for g in groups for run in g.runs for key in run.scores]
    return list(dict.fromkeys(key.removeprefix(CLASS) for key in keys if key.startswith(CLASS)))


def _domains(columns: Sequence[_Column]) -> dict[str, list[_Column]]:
    """Return the networks by the images that they were scored on: never compared with others."""
    on_source = [column for column in columns if column.network.startswith(SOURCE)]
    on_target = [column for column in columns if not column.network.startswith(SOURCE)]
    if not on_source or not on_target:
        return {'all': [*columns]}
    return {'target images': on_target, 'source images': on_source}


def _iou_chart(domains: Mapping[str, Sequence[_Column]], classes: Sequence[str]) -> Choice:
    """Draw means over seeds."""
    charts = {}
    for domain, columns in domains.items():
        bars = []
        for column in columns:
            summaries = [summarize(column.scores(name).values()) for name in classes]
            bars.append(_bars(column, summaries))
        charts[domain] = class_chart(classes, bars, 'IoU (%)')
    caption = (
        'Colour: setting. Hatched: the other networks of a run. Mean over its runs; error bars: '
        'sample standard deviation. A click on the legend hides bars.'
    )
    return Choice('IoU of every class', charts, caption=caption)


def _delta_chart(domains: Mapping[str, Sequence[_Column]], classes: Sequence[str]) -> Block:
    """Draw differences to the first column of the same images, paired by seed."""
    charts, bases = {}, []
    for domain, (base, *others) in domains.items():
        deltas = [(column, _deltas(column, base, classes)) for column in others]
        bars = [_bars(c, summaries) for c, summaries in deltas if any(s.size for s in summaries)]
        if bars:
            charts[domain] = class_chart(classes, bars, 'difference of IoU (points)')
            bases.append(base.label)
    if not charts:
        return Note(
            'Difference of IoU: nothing to compare, there is one network only or no seed in common.'
        )
    base_labels = ' or '.join(bases)
    caption = f'Against {base_labels}, between runs of the same seed; above zero is better.'
    return Choice('Difference between settings', charts, caption=caption)


def _deltas(column: _Column, base: _Column, classes: Sequence[str]) -> list[Summary]:
    """Return differences of every class; runs of one group are compared whatever their seeds."""
    pairs = [(column.scores(name), base.scores(name)) for name in classes]
    if len(column.group.runs) == len(base.group.runs) == 1:
        pairs = [(_unseeded(scores), _unseeded(others)) for scores, others in pairs]
    return [summarize(paired_difference(*pair).values()) for pair in pairs]


def _unseeded(scores: dict[int, float]) -> dict[int, float]:
    """Return the score of a single run under a seed that fits every other."""
    return dict.fromkeys([0], next(iter(scores.values()))) if scores else {}


def _bars(column: _Column, summaries: Sequence[Summary]) -> Bars:
    """Return the bars of one network."""
    has_spread = any(summary.spread is not None for summary in summaries)
    return Bars(
        label=column.label,
        color=column.color,
        is_hatched=column.is_hatched,
        values=[summary.mean for summary in summaries],
        spreads=[summary.spread for summary in summaries] if has_spread else None,
    )


def _table(domains: Mapping[str, Sequence[_Column]], classes: Sequence[str]) -> Table:
    """Write means, spreads and differences."""
    columns = [column for members in domains.values() for column in members]
    compared = [(c, members[0]) for members in domains.values() for c in members[1:]]
    header = ['class', *(column.label for column in columns)]
    header += [f'{column.label}: difference' for column, _ in compared]
    differences = [_deltas(column, base, classes) for column, base in compared]
    rows = []
    for index, name in enumerate(classes):
        texts = [format_summary(summarize(column.scores(name).values())) for column in columns]
        texts += [format_summary(deltas[index], is_signed=True) for deltas in differences]
        rows.append([name, *texts])
    caption = f'In percent. {MISSING}: neither labelled nor predicted, or not scored.'
    return Table('Numbers', header, rows, caption)
