"""Charts of the report, drawn by plotly in the browser."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from torch import Tensor

from dts.report.blocks import Chart
from dts.report.logged import Series
from dts.report.style import DASHES, FAINT, OTHER_DASH, layout, shorten

CURVE_HEIGHT = 400
MAX_MARKERS = 40
MAX_TEXT_CLASSES = 21
SHADES = [[0, '#ffffff'], [0.25, '#c6dbef'], [0.6, '#4292c6'], [1, '#08306b']]


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: name in the legend; curves of one label and network share an entry.
        run: name shown at the pointer.
        network: decides the line style; empty for what belongs to the run as a whole.
        color: of the line.
        series: step -> value.
    """

    label: str
    run: str
    network: str
    color: str
    series: Series


@dataclass(frozen=True)
class Bars:
    """One bar per class.

    Attributes:
        label: name in the legend.
        color: of the bars.
        is_hatched: whether they are drawn as a pattern, for networks beside the first.
        values: one per class, None where undefined.
        spreads: standard deviation per class; None draws no error bar.
    """

    label: str
    color: str
    is_hatched: bool
    values: Sequence[float | None]
    spreads: Sequence[float | None] | None = None


def line_chart(lines: Sequence[Line], y_title: str) -> Chart:
    """Draw curves over the training step.

    Args:
        lines: at least one.
        y_title: quantity and unit.
    """
    figure = go.Figure(layout=layout('training step', y_title, CURVE_HEIGHT))
    seen = set()
    for line in lines:
        entry = f'{shorten(line.label)}{f", {line.network}" if line.network else ""}'
        points = sorted(line.series.items())
        dash = DASHES.get(line.network, OTHER_DASH) if line.network else 'solid'
        figure.add_scatter(
            x=[step for step, _ in points],
            y=[value for _, value in points],
            mode='lines+markers' if len(points) <= MAX_MARKERS else 'lines',
            line={'color': line.color, 'dash': dash, 'width': 1.8},
            marker={'size': 5, 'symbol': 'circle' if dash == 'solid' else 'circle-open'},
            name=entry,
            legendgroup=entry,
            showlegend=entry not in seen,
            hovertemplate=f'{line.run}{f", {line.network}" if line.network else ""}'
            '<br>step %{x}: <b>%{y:.4~g}</b><extra></extra>',
        )
        seen.add(entry)
    figure.update_xaxes(rangemode='tozero')
    return Chart(figure.to_json(), CURVE_HEIGHT)


def class_chart(classes: Sequence[str], bars: Sequence[Bars], y_title: str) -> Chart:
    """Draw bars beside each other for every class.

    Args:
        classes: names.
        bars: at least one entry.
        y_title: quantity and unit.
    """
    figure = go.Figure(layout=layout('', y_title, CURVE_HEIGHT))
    figure.update_layout(barmode='group', bargap=0.25, bargroupgap=0.05)
    for bar in bars:
        figure.add_bar(
            x=list(classes),
            y=list(bar.values),
            error_y={'array': list(bar.spreads), 'thickness': 1, 'width': 2, 'color': '#57606a'}
            if bar.spreads
            else None,
            name=shorten(bar.label),
            marker={
                'color': bar.color,
                'pattern': {
                    'shape': '/' if bar.is_hatched else '',
                    'fgcolor': 'white',
                    'fgopacity': 0.75,
                    'size': 5,
                },
            },
            hovertemplate=f'{bar.label}<br>%{{x}}: <b>%{{y:.2f}}</b><extra></extra>',
        )
    figure.update_yaxes(zeroline=True, zerolinecolor=FAINT)
    width = max(480, len(classes) * (14 * len(bars) + 16))
    return Chart(figure.to_json(), CURVE_HEIGHT, min_width=width)


def confusion_chart(matrix: Tensor, classes: Sequence[str], name: str) -> Chart:
    """Draw a confusion matrix in percent of the labelled pixels of each class.

    Args:
        matrix: (K, K) int64 counts; rows are labels, columns predictions.
        classes: the K names.
        name: of the file with the counts.
    """
    counts = matrix.double()
    totals = counts.sum(dim=1, keepdim=True)
    shares = (100 * counts / totals).tolist()  # NaN in the row of a class without labels
    rows: list[list[float | None]] = [[None if math.isnan(v) else v for v in row] for row in shares]
    height = 150 + 30 * len(classes)
    figure = go.Figure(layout=layout('prediction', 'label', height))
    has_text = len(classes) <= MAX_TEXT_CLASSES
    figure.add_heatmap(
        x=list(classes),
        y=list(classes),
        z=rows,
        customdata=matrix.tolist(),
        zmin=0,
        zmax=100,
        colorscale=SHADES,
        xgap=1,
        ygap=1,
        text=[[f'{v or 0:.0f}'.removeprefix('0') for v in row] for row in rows],
        texttemplate='%{text}' if has_text else None,
        textfont={'size': 11},
        showscale=not has_text,
        colorbar={'title': {'text': '%'}, 'thickness': 12, 'outlinewidth': 0},
        hovertemplate='label %{y}, prediction %{x}<br><b>%{z:.1f} %</b> of the label, '
        '%{customdata} pixels<extra></extra>',
    )
    figure.update_xaxes(tickangle=-45, ticks='', showline=False)
    figure.update_yaxes(autorange='reversed', showgrid=False, ticks='')
    width = max(420, 190 + 36 * len(classes))
    return Chart(
        figure.to_json(), height, min_width=width, csv=matrix_csv(matrix, classes), csv_name=name
    )


def matrix_csv(matrix: Tensor, classes: Sequence[str]) -> str:
    """Return a confusion matrix as text: pixels, one line per label, one column per prediction.

    Args:
        matrix: (K, K) counts.
        classes: the K names.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(['label \\ prediction', *classes])
    writer.writerows([name, *row] for name, row in zip(classes, matrix.tolist(), strict=True))
    return stream.getvalue()
