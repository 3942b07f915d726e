"""The finished runs of a table: their scores and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dts.evaluation.statistics import summarize
from result_table.records import (
    is_done,
    read_record,
    read_scores,
    read_step_time,
    settings_hash,
)
from result_table.results import Results, Run
from result_table.spec import Row, Table, seed_before

Runs = Mapping[tuple[str, str, int], Run]


def gather(table: Table, root: Path, results: Results) -> None:
    """Add to the results what has finished in the folder of a table.

    Args:
        table: the table.
        root: its folder of runs; those of other settings are left out.
        results: to add to; what they have is not read again.
    """
    for cell in table.cells():
        folder = root / cell.folder
        settings = settings_hash(cell)
        if results.get(settings) is None and is_done(folder, settings):
            scores, record = read_scores(folder), read_record(folder)
            assert scores is not None
            assert record is not None
            results.add(cell, Run.of(scores, record, read_step_time(folder)))


def collect(table: Table, results: Results) -> dict[tuple[str, str, int], Run]:
    """Return the finished runs of a table.

    Args:
        table: the table.
        results: of this and other tables.

    Returns:
        (row, split, seed) -> run.
    """
    found = {
        (cell.row, cell.split, cell.seed): results.get(settings_hash(cell))
        for cell in table.cells()
    }
    return {key: run for key, run in found.items() if run is not None}


def mean_minutes(table: Table, runs: Runs, row: Row) -> tuple[float | None, float | None]:
    """Return the CPU minutes of a run of a row, and of all that had to run before it.

    Args:
        table: the table.
        runs: (row, split, seed) -> finished run.
        row: the row.

    Returns:
        Mean over splits and the row's seeds; the sum of these means of the rows that it learns or
        starts from, and of those before them, each once (0 if there are none). None where a row has
        no finished run.
    """

    def mean(of: Row) -> float | None:
        seeds = {seed_before(of, seed) for seed in row.seeds}
        costs = [
            run.cpu_seconds / 60
            for (name, _, seed), run in runs.items()
            if name == of.name and seed in seeds
        ]
        return summarize(costs).mean

    costs = [mean(other) for other in table.rows_before(row)]
    known = [cost for cost in costs if cost is not None]
    return mean(row), sum(known) if len(known) == len(costs) else None


def mean_step_time(runs: Runs, row: Row) -> float | None:
    """Return the milliseconds of a training step, mean over the finished runs of a row.

    Args:
        runs: (row, split, seed) -> finished run.
        row: the row.
    """
    times = [run.step_time for (name, _, _), run in runs.items() if name == row.name]
    return summarize([time for time in times if time is not None]).mean
