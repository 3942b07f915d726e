"""Colours and lines of the charts: one colour per setting, one line style per network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dts.report.groups import Group
from dts.report.run import Run

# Okabe and Ito, "Color Universal Design" (2008), without the yellow that white paper swallows.
PALETTE = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000')
DASHES = {
    'student': 'solid',
    'teacher': 'dash',
    'teacher.0': 'dash',
    'teacher.1': 'dot',
    'student_2': 'dashdot',
    'teacher_2': 'longdash',
}
OTHER_DASH = 'longdashdot'
INK, GRID, FAINT = '#1f2328', '#e6e8eb', '#8b949e'
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
MAX_LABEL = 34


def run_colors(groups: Sequence[Group]) -> dict[str, str]:
    """Return a colour for every run: that of its group, or its own if there is one group only.

    Args:
        groups: of the report.

    Returns:
        Name of the run -> colour.
    """
    owners = [[run] for run in groups[0].runs] if len(groups) == 1 else [g.runs for g in groups]
    return {
        run.name: PALETTE[index % len(PALETTE)] for index, runs in enumerate(owners) for run in runs
    }


def curve_label(run: Run, groups: Sequence[Group]) -> str:
    """Return what the legend calls a run: its group, or its own name if there is one group only.

    Args:
        run: one of the groups' runs.
        groups: of the report.
    """
    if len(groups) == 1:
        return run.name
    return next(group.name for group in groups if run in group.runs)


def shorten(text: str) -> str:
    """Cut a long name in its middle, so that both ends tell it from others.

    Args:
        text: the name.
    """
    half = MAX_LABEL // 2 - 1
    return text if len(text) <= MAX_LABEL else f'{text[:half]}...{text[-half:]}'


def layout(x_title: str, y_title: str, height: int) -> dict[str, Any]:
    """Return the layout that all charts share.

    Args:
        x_title: title of the horizontal axis.
        y_title: title of the vertical axis.
        height: in pixels.
    """
    title = {'font': {'size': 13}, 'standoff': 8}
    axis = {
        'gridcolor': GRID,
        'linecolor': FAINT,
        'ticks': 'outside',
        'tickcolor': FAINT,
        'ticklen': 4,
        'zeroline': False,
        'automargin': True,
    }
    return {
        'template': None,
        'height': height,
        'font': {'family': FONT, 'size': 13, 'color': INK},
        'paper_bgcolor': 'white',
        'plot_bgcolor': 'white',
        'margin': {'l': 56, 'r': 12, 't': 34, 'b': 48},  # the buttons stand above the chart
        'hoverlabel': {'bgcolor': 'white', 'bordercolor': FAINT, 'font': {'color': INK}},
        'legend': {'orientation': 'h', 'yref': 'container', 'y': 0, 'yanchor': 'bottom'},
        'xaxis': {**axis, 'title': {'text': x_title, **title}, 'showgrid': False},
        'yaxis': {**axis, 'title': {'text': y_title, **title}},
    }
