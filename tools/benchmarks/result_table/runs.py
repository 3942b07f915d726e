"""The finished runs of a table: their scores and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dts.evaluation.statistics import summarize
from result_table.records import (
    Record,
    is_done,
    read_record,
    read_scores,
    read_step_time,
    settings_hash,
)
from result_table.spec import Row, Table


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        scores: its metrics in percent, None where undefined.
        record: its record.
        step_time: milliseconds of a training step, None if unknown.
    """

    scores: Mapping[str, float | None]
    record: Record
    step_time: float | None = None


Runs = Mapping[tuple[str, str, int], Run]


def collect(table: Table, root: Path) -> dict[tuple[str, str, int], Run]:
    """Read the finished runs of a table.

    Args:
        table: the table.
        root: its folder of runs.

    Returns:
        (row, split, seed) -> run; runs of other settings are left out.
    """
    runs = {}
    for cell in table.cells():
        folder = root / cell.folder
        scores, record = read_scores(folder), read_record(folder)
        if scores is not None and record is not None and is_done(folder, settings_hash(cell)):
            step_time = read_step_time(folder) if table.step_time else None
            runs[cell.row, cell.split, cell.seed] = Run(scores, record, step_time)
    return runs


def mean_minutes(table: Table, runs: Runs, row: Row) -> tuple[float | None, float | None]:
    """Return the CPU minutes of a run of a row, and of all that taught it.

    Args:
        table: the table.
        runs: (row, split, seed) -> finished run.
        row: the row.

    Returns:
        Mean over splits and the row's seeds; the sum of these means of its teachers and theirs,
        each once (0 if there are none). None where a row has no finished run.
    """

    def mean(name: str) -> float | None:
        costs = [
            run.record.cpu_seconds / 60
            for (other, _, seed), run in runs.items()
            if other == name and seed in row.seeds
        ]
        return summarize(costs).mean

    costs = [mean(teacher.name) for teacher in table.teachers_of(row)]
    known = [cost for cost in costs if cost is not None]
    return mean(row.name), sum(known) if len(known) == len(costs) else None


def mean_step_time(runs: Runs, row: Row) -> float | None:
    """Return the milliseconds of a training step, mean over the finished runs of a row.

    Args:
        runs: (row, split, seed) -> finished run.
        row: the row.
    """
    times = [run.step_time for (name, _, _), run in runs.items() if name == row.name]
    return summarize([time for time in times if time is not None]).mean
