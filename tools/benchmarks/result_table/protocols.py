"""Keep scores that cannot be compared out of one column of a table."""

from __future__ import annotations

import itertools

from mmengine.config import Config

from dts.protocols.configs import check_config, comparable_facts, is_scored
from result_table.configs import read_config
from result_table.spec import Cell, Table


def check_protocols(table: Table) -> None:
    """Refuse a table whose rows follow different protocols in one column.

    Compared are, for every split and seed: the protocol that a config names, the labelled and
    unlabelled images, the training crop, the scored images and how predictions are made. A config
    that names a protocol must follow it, and only networks that it scores may be printed.

    Args:
        table: as read.

    Raises:
        ValueError: if two rows differ; names them, the column and the first difference.
    """
    columns = {row.name: row.columns for row in table.rows}
    for (split, _), group in itertools.groupby(
        table.cells(), key=lambda cell: (cell.split, cell.seed)
    ):
        first, *others = ((cell, read_config(cell)) for cell in group)
        for cell, config in (first, *others):
            _check_row(table, cell, config, columns[cell.row])
        facts = comparable_facts(first[1])
        for cell, config in others:
            for what, value in comparable_facts(config).items():
                if what in facts and facts[what] != value:
                    raise ValueError(
                        f'{table.file}: rows {first[0].row!r} and {cell.row!r} of column {split!r} '
                        f'differ in {what}: {facts[what]} and {value}. Scores of different '
                        'protocols do not belong in one column: correct a config, or make a '
                        'table or a split of its own'
                    )


def _check_row(table: Table, cell: Cell, config: Config, columns: tuple[str, ...]) -> None:
    """Check a config against the protocol that it names."""
    try:
        protocol = check_config(config)
    except ValueError as error:
        raise ValueError(
            f'{table.file}: row {cell.row!r} of column {cell.split!r}: {error}'
        ) from None
    for column in columns if protocol else ():
        model = column.partition('/')[0]
        if not is_scored(protocol, model):
            raise ValueError(
                f'{table.file}: row {cell.row!r} prints {column}, but the protocol '
                f'{protocol.name} scores {list(protocol.models)}'
            )
