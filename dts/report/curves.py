"""The sections with curves: losses, scores, pseudo-labels, distance of teachers and student."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dts.report.blocks import Block, Chart, Choice, Note, Section
from dts.report.charts import Line, line_chart
from dts.report.groups import Group
from dts.report.logged import Curves, networks_of, split_key
from dts.report.run import Run
from dts.report.style import curve_label, run_colors

ACCEPTED = ('stat_accepted_ratio', 'stat_target_share', 'stat_share')
QUALITY = ('stat_pseudo_accuracy',)
COUPLING = ('distance', 'agreement')
DIFFERING = ('stat_disagreement', 'stat_teachers_disagree')
TITLES = {
    'stat_accepted_ratio': 'accepted pixels (share of valid pixels)',
    'stat_target_share': 'pixels of target images (share)',
    'stat_share': 'share',
    'stat_pseudo_accuracy': 'right among accepted pixels (share)',
    'stat_disagreement': 'student differs from the pseudo-label (share)',
    'stat_teachers_disagree': 'teachers differ (share of pixels)',
    'distance': '||teacher - student|| / ||student||',
    'agreement': 'same class, validation images (share)',
    'loss': 'loss, sum of all terms',
    'time': 'seconds per step',
    'data_time': 'seconds per step waiting for data',
    'lr': 'learning rate',
    'memory': 'GPU memory (MiB)',
}
Pick = Callable[[Run], list[tuple[str, dict[int, float]]]]


def curves_section(groups: Sequence[Group]) -> Section:
    """Show losses and validation scores, and all else that was logged.

    Args:
        groups: of the report.
    """
    keys = _train_keys(groups)
    losses = [key for key in keys if 'loss' in key.rpartition('.')[2]]
    losses.sort(key=lambda key: key != 'loss')
    metrics = _metrics(groups)
    others = [key for key in keys if key not in losses and not _is_elsewhere(key)]
    others.sort(key=lambda key: key != 'lr')
    missing_val = (
        'No run has a validation in its log: scores over time need val_dataloader and '
        'train_cfg.val_interval <= train_cfg.max_iters.'
    )
    return Section(
        'curves',
        'Curves',
        [
            _choice(
                'Score on the validation set',
                {m: _chart(groups, _validated(m), f'{m} (%)') for m in metrics},
                missing_val,
            ),
            _choice(
                'Loss',
                {key: _chart(groups, _logged(key), TITLES.get(key, key)) for key in losses},
                'No run has logged a loss: there is no line of training in vis_data/scalars.json.',
            ),
            _choice(
                'Everything else that was logged',
                {key: _chart(groups, _logged(key), TITLES.get(key, key)) for key in others},
                'Nothing else was logged.',
            ),
        ],
    )


def labels_section(groups: Sequence[Group]) -> Section:
    """Show accepted ratio, quality and distance over time.

    Args:
        groups: of the report.
    """
    return Section(
        'pseudo-labels',
        'Pseudo-labels',
        [
            _choice(
                'Accepted pseudo-labels',
                _stat_charts(groups, ACCEPTED),
                'No run has logged the share of accepted pseudo-labels: its method makes none.',
            ),
            _choice(
                'Quality of accepted pseudo-labels',
                _stat_charts(groups, QUALITY),
                'No run has logged the quality of its pseudo-labels (stat_pseudo_accuracy): it '
                'needs true labels in the unlabelled stream, which training never sees.',
            ),
            _choice(
                'Disagreement of student and pseudo-labels',
                _stat_charts(groups, DIFFERING),
                'No run has logged how often student and pseudo-labels differ (stat_disagreement).',
            ),
            _choice(
                'Distance of teachers and student',
                {q: _chart(groups, _coupled(q), TITLES[q]) for q in COUPLING},
                "No run has logged this distance over time: add dict(type='dts.CouplingHook') to "
                'custom_hooks.',
            ),
        ],
    )


def _choice(title: str, charts: dict[str, Chart | None], missing: str) -> Block:
    """Return the charts that have data, else a sentence."""
    present = {name: chart for name, chart in charts.items() if chart is not None}
    return (
        Choice(title, present) if present else Note(f'{title}: {missing[0].lower()}{missing[1:]}')
    )


def _chart(groups: Sequence[Group], pick: Pick, y_title: str) -> Chart | None:
    """Draw the picked series of all runs, None if there is none."""
    colors = run_colors(groups)
    lines = [
        Line(curve_label(run, groups), run.name, network, colors[run.name], series)
        for group in groups
        for run in group.runs
        for network, series in pick(run)
    ]
    return line_chart(lines, y_title) if lines else None


def _stat_charts(groups: Sequence[Group], names: Sequence[str]) -> dict[str, Chart | None]:
    """Draw statistics, those with a prefix of their branch too."""
    keys = [key for key in _train_keys(groups) if key.rpartition('.')[2] in names]
    return {
        key: _chart(groups, _logged(key), TITLES[key.rpartition('.')[2]])
        for key in sorted(keys, key=lambda key: names.index(key.rpartition('.')[2]))
    }


def _logged(key: str) -> Pick:
    """Pick a key of the training log."""
    return lambda run: [('', run.logged.train[key])] if key in run.logged.train else []


def _validated(metric: str) -> Pick:
    """Pick a metric of every network."""

    def pick(run: Run) -> list[tuple[str, dict[int, float]]]:
        split = {key: split_key(key) for key in run.logged.val}
        return [(net, run.logged.val[key]) for key, (net, name) in split.items() if name == metric]

    return pick


def _coupled(quantity: str) -> Pick:
    """Pick a quantity of every teacher."""

    def pick(run: Run) -> list[tuple[str, dict[int, float]]]:
        split = {key: key.rpartition('.') for key in run.logged.train}
        found = [(name, key) for key, (name, _, kind) in split.items() if kind == quantity]
        return [(name, run.logged.train[key]) for name, key in found if name]

    return pick


def _train_keys(groups: Sequence[Group]) -> list[str]:
    """Return the keys of the training logs, in the order of the logs."""
    logs: list[Curves] = [run.logged.train for group in groups for run in group.runs]
    return list(dict.fromkeys(key for log in logs for key in log))


def _metrics(groups: Sequence[Group]) -> list[str]:
    """Return the metrics of validations, mIoU first, classes last."""
    logs = [run.logged.val for group in groups for run in group.runs]
    found = dict.fromkeys(split_key(key)[1] for log in logs for key in log if networks_of(log))
    return sorted(found, key=lambda metric: (metric.startswith('IoU.'), metric != 'mIoU'))


def _is_elsewhere(key: str) -> bool:
    """Return whether another section shows a key."""
    name = key.rpartition('.')[2]
    return name in (*ACCEPTED, *QUALITY, *COUPLING, *DIFFERING)
