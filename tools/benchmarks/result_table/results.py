"""The results of finished runs, kept in a file of the repository: tables are made of it alone."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from result_table.records import Record, replace_file, settings_hash
from result_table.spec import Cell


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        scores: its metrics in percent, None where undefined.
        cpu_seconds: user plus system time of all attempts.
        commits: of the code, one of each attempt.
        dates: when the attempts began (UTC).
        machine: model of the CPU and number of cores.
        versions: package -> version.
        step_time: milliseconds of a training step, None if unknown.
    """

    scores: Mapping[str, float | None]
    cpu_seconds: float
    commits: tuple[str, ...]
    dates: tuple[str, ...]
    machine: str
    versions: Mapping[str, str]
    step_time: float | None = None

    @classmethod
    def of(cls, scores: Mapping[str, float | None], record: Record, step_time: float | None) -> Run:
        """Return the result of a run.

        Args:
            scores: its metrics.
            record: what is kept in its folder.
            step_time: milliseconds of a training step, None if unknown.
        """
        return cls(
            scores={
                name: value if value is None else round(value, 4) for name, value in scores.items()
            },
            cpu_seconds=round(record.cpu_seconds, 1),
            commits=tuple(a.commit or 'not under version control' for a in record.attempts),
            dates=tuple(attempt.started for attempt in record.attempts),
            machine=record.machine,
            versions=record.versions,
            step_time=step_time if step_time is None else round(step_time, 1),
        )


class Results:
    """A file of results: one line of JSON for every run, known by the digest of its settings.

    Two tables that list the same run share its line. Several processes may add at a time.

    Args:
        file: need not be there yet.

    Raises:
        ValueError: if a line is not a result.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lines = self._read()

    def get(self, settings: str) -> Run | None:
        """Return a run.

        Args:
            settings: digest of its settings.

        Returns:
            None if it is not known.
        """
        line = self._lines.get(settings)
        return None if line is None else _run_of(line)

    def add(self, cell: Cell, run: Run) -> None:
        """Keep a run, in place of an earlier one with the same settings.

        Args:
            cell: what was run.
            run: its result.
        """
        settings = settings_hash(cell)
        line = {
            'config': cell.config.as_posix(),
            'options': cell.options,
            'seed': cell.seed,
            'settings': settings,
            'teachers': {role: settings_hash(run) for role, run in cell.teachers.items()},
            **(
                {'start': {e: settings_hash(r) for e, r in cell.start.items()}}
                if cell.start
                else {}
            ),
            **asdict(run),
        }
        with _alone_in(self.file.parent):
            lines = {**self._read(), settings: line}
            ordered = sorted(lines.values(), key=lambda line: (line['config'], line['settings']))
            replace_file(self.file, ''.join(f'{json.dumps(line)}\n' for line in ordered))
        self._lines = lines

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return settings -> line."""
        lines = {}
        text = self.file.read_text() if self.file.is_file() else ''
        for number, line in enumerate(text.splitlines(), 1):
            try:
                content = json.loads(line)
                _run_of(content)
                lines[content['settings']] = content
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f'{self.file}, line {number} is not the result of a run ({error!r}): take the '
                    'line out, or take the file of another commit'
                ) from None
        return lines


def _run_of(line: Mapping[str, Any]) -> Run:
    """Return the run of a line."""
    values = {name: line[name] for name in Run.__dataclass_fields__}
    return Run(**{**values, 'commits': tuple(line['commits']), 'dates': tuple(line['dates'])})


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process adds to a file of a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
