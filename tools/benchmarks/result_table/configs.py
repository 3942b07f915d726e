"""The config of a run: its options, and the files of the runs before it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dts.config import set_teacher
from result_table.records import replace_file
from result_table.spec import Cell, Table


def read_config(cell: Cell) -> Config:
    """Return the config of a run with its options; hooks still name the config's own teachers.

    Args:
        cell: the run.
    """
    # The text of a config is never formatted, which would take seconds.
    config = Config(_read_file(cell.config).to_dict(), format_python_code=False)
    config.merge_from_dict(dict(cell.options))
    return config


def complete_config(cell: Cell, root: Path) -> Config:
    """Return the config of a run with its options, its teachers and what it starts from.

    Args:
        cell: the run.
        root: folder of the table.

    Raises:
        ValueError: if no hook knows one of the teachers, or a run before this one counts no
            iterations.
    """
    config = read_config(cell)
    for role, teacher in cell.teachers.items():
        of_teacher = (config_file(teacher, root), last_checkpoint(teacher, root))
        set_teacher(config, role, of_teacher, f'row {cell.row!r}')
    files = {entry: str(last_checkpoint(run, root)) for entry, run in cell.start.items()}
    config.merge_from_dict(files)
    return config


def config_file(cell: Cell, root: Path) -> Path:
    """Return the file of the complete config, beside the folder of the run.

    Args:
        cell: the run.
        root: folder of the table.
    """
    folder = root / cell.folder
    return folder.parent / f'{folder.name}.py'


def last_checkpoint(cell: Cell, root: Path) -> Path:
    """Return the file of the last iteration, in the folder of the run.

    Args:
        cell: the run.
        root: folder of the table.

    Raises:
        ValueError: if the config counts no iterations.
    """
    steps = (read_config(cell).get('train_cfg') or {}).get('max_iters')
    if not steps:
        raise ValueError(
            f'row {cell.row!r}, before others: {cell.config} has no train_cfg.max_iters'
        )
    return root / cell.folder / f'iter_{steps}.pth'


def write_configs(cell: Cell, root: Path) -> None:
    """Write the complete configs of a run and of those before it.

    Args:
        cell: the run.
        root: folder of the table.
    """
    for run in (cell, *cell.before):
        replace_file(config_file(run, root), complete_config(run, root).pretty_text)


def check_teachers(table: Table) -> None:
    """Refuse rows with a teacher that their config does not know.

    Args:
        table: as read.

    Raises:
        ValueError: if no hook of a row knows a teacher, or a teacher counts no iterations.
    """
    for cell in table.cells():
        try:
            complete_config(cell, Path())
        except ValueError as error:
            raise ValueError(f'{table.file}: {error}') from None


@functools.cache
def _read_file(file: Path) -> Any:
    """Read a config file once."""
    return Config.fromfile(file, import_custom_modules=False, format_python_code=False)
