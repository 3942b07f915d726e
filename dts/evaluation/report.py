"""What an evaluation leaves behind: a class-wise table in the log, and JSON files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from prettytable import PrettyTable

CLASS_KEY = 'IoU.'
MEAN_KEYS = ('mIoU', 'mAcc', 'aAcc')


def class_table(metrics: Mapping[str, float], models: Sequence[str]) -> str | None:
    """Draw the IoU of every class, one column per network, means below.

    Args:
        metrics: ``<model>/IoU.<class>`` and ``<model>/mIoU``, ... in percent.
        models: the networks, one column each.

    Returns:
        The table, absent classes as a dash; None when the metrics name no class.
    """
    first = f'{models[0]}/'
    keys = [key.removeprefix(first) for key in metrics if key.startswith(first)]
    classes = [key for key in keys if key.startswith(CLASS_KEY)]
    if not classes:
        return None
    means = [key for key in keys if key.startswith(MEAN_KEYS)]
    table = PrettyTable(['class', *(f'{model} IoU' for model in models)])
    table.align = 'r'
    table.align['class'] = 'l'
    for key in classes + means:
        is_divider = key in (classes[-1], means[-1])
        cells = [_percent(metrics[f'{model}/{key}']) for model in models]
        table.add_row([key.removeprefix(CLASS_KEY), *cells], divider=is_divider)
    return str(table.get_string())


def _percent(value: float) -> str:
    """Write a percentage with two decimals, a dash for NaN."""
    return '-' if math.isnan(value) else f'{value:.2f}'


def plain_metrics(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics that strict JSON can hold.

    Args:
        metrics: numbers of any kind, NaN included.

    Returns:
        Python floats; NaN becomes None.
    """
    numbers = {key: float(value) for key, value in metrics.items()}
    return {key: None if math.isnan(value) else value for key, value in numbers.items()}


def write_metrics(metrics: Mapping[str, float], file: Path) -> None:
    """Replace ``file`` by the metrics as one JSON object, NaN as null.

    Args:
        metrics: key -> number.
        file: the file; its folder is made.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f'{file.name}.tmp')
    temporary.write_text(json.dumps(plain_metrics(metrics), indent=2) + '\n')
    os.replace(temporary, file)


def append_metrics(metrics: Mapping[str, float], step: int, file: Path) -> None:
    """Add one line to a JSON-lines file: the step and the metrics, NaN as null.

    Args:
        metrics: key -> number.
        step: iteration of the run.
        file: the file; its folder is made.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open('a') as stream:
        stream.write(json.dumps({'step': step, **plain_metrics(metrics)}) + '\n')
