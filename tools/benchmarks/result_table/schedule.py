"""Which run may start next: a student waits for the runs of its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from result_table.configs import last_checkpoint
from result_table.records import is_done, settings_hash
from result_table.spec import Cell


class Schedule:
    """Runs that have not started, in their order.

    Args:
        cells: the runs that are wanted; those that are done do not wait.
        root: folder of the table.
    """

    def __init__(self, cells: Sequence[Cell], root: Path) -> None:
        self.root = root
        self.waiting = [cell for cell in cells if not self._is_done(cell)]
        self._trained: set[str] = set()  # names of the teachers that can be learned from
        for cell in self.waiting:
            for teacher in cell.teachers.values():
                if self._is_done(teacher):
                    self.finish(teacher)

    def pop(self) -> Cell | None:
        """Take the first run whose teachers are trained; None if there is none yet."""
        for cell in self.waiting:
            if all(teacher.name in self._trained for teacher in cell.teachers.values()):
                self.waiting.remove(cell)
                return cell
        return None

    def finish(self, cell: Cell) -> None:
        """Let the students of a run begin.

        Args:
            cell: a run that is done; without its last checkpoint nobody can learn from it.
        """
        is_teacher = any(cell.name == t.name for c in self.waiting for t in c.teachers.values())
        if is_teacher and last_checkpoint(cell, self.root).is_file():
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
            lost = [t for t in cell.teachers.values() if t.name not in coming]
            if lost:
                self.waiting.remove(cell)
                file = last_checkpoint(lost[0], self.root)
                lines.append(
                    f'NOT STARTED {cell.name}: the run of its teacher, {lost[0].name}, is not done '
                    f'or has left no {file}'
                )
        return lines

    def _is_done(self, cell: Cell) -> bool:
        """Return whether a run has finished, with the settings that it has now."""
        return is_done(self.root / cell.folder, settings_hash(cell))
