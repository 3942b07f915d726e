"""Which run may start next: a student waits for the runs of its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from result_table.configs import last_checkpoint
from result_table.records import is_done, settings_hash
from result_table.results import Results
from result_table.spec import Cell


class Schedule:
    """Runs that have not started, in their order.

    Args:
        cells: the runs that are wanted. Those with a result do not wait, unless they teach one that
            waits and their last checkpoint is not there.
        root: folder of the table.
        results: of finished runs.
    """

    def __init__(self, cells: Sequence[Cell], root: Path, results: Results) -> None:
        self.root = root
        by_name = {cell.name: cell for cell in cells}
        wanted = [cell for cell in cells if results.get(settings_hash(cell)) is None]
        self._trained: set[str] = set()  # names of the teachers that can be learned from
        for cell in wanted:  # it grows
            for teacher in cell.before:
                if self._can_teach(teacher):
                    self._trained.add(teacher.name)
                elif teacher.name in by_name and teacher not in wanted:
                    wanted.append(teacher)
        self.waiting = [cell for cell in cells if cell in wanted]

    def pop(self) -> Cell | None:
        """Take the first run whose teachers are trained; None if there is none yet."""
        for cell in self.waiting:
            if all(teacher.name in self._trained for teacher in cell.before):
                self.waiting.remove(cell)
                return cell
        return None

    def finish(self, cell: Cell) -> None:
        """Let the students of a run begin.

        Args:
            cell: a run that is done; without its last checkpoint nobody can learn from it.
        """
        is_teacher = any(cell.name == t.name for c in self.waiting for t in c.before)
        if is_teacher and self._can_teach(cell):
            self._trained.add(cell.name)

    def pop_orphans(self, running: Sequence[Cell]) -> list[str]:
        """Take the runs whose teachers are neither trained nor going to be, and say why.

        Args:
            running: the runs that have started and not ended.

        Returns:
            One line for each; their own students are orphans of the next call.
        """
        lines: list[str] = []
        coming = self._trained | {cell.name for cell in (*running, *self.waiting)}
        for cell in tuple(self.waiting):
            lost = [t for t in cell.before if t.name not in coming]
            if lost:
                self.waiting.remove(cell)
                file = last_checkpoint(lost[0], self.root)
                lines.append(
                    f'NOT STARTED {cell.name}: the run before it, {lost[0].name}, is not done '
                    f'or has left no {file}'
                )
        return lines

    def _can_teach(self, cell: Cell) -> bool:
        """Return whether a run of these settings has left its last checkpoint."""
        is_trained = is_done(self.root / cell.folder, settings_hash(cell))
        return is_trained and last_checkpoint(cell, self.root).is_file()
