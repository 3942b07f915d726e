"""The section with the configs and their differences."""

from __future__ import annotations

from collections.abc import Sequence

from dts.report.blocks import Block, Note, Section, Sources, Table
from dts.report.config_diff import config_differences
from dts.report.run import Run


def configs_section(runs: Sequence[Run]) -> Section:
    """Show in what the runs differ, and all that they were told.

    Args:
        runs: of the report.
    """
    blocks: list[Block] = [_differences(runs)]
    texts = {run.name: run.config_text for run in runs if run.config_text}
    if texts:
        blocks.append(Sources('Whole configs', texts))
    return Section('configs', 'Configs', blocks)


def _differences(runs: Sequence[Run]) -> Block:
    """Compare the configs that can be read."""
    readable = [run for run in runs if run.config is not None]
    skipped = [run.name for run in runs if run.config is None]
    if len(readable) < 2:
        reason = f', the config of {", ".join(skipped)} cannot be read' if skipped else ''
        return Note(f'Differences of configs: there are not two configs to compare{reason}.')
    found = config_differences([run.config for run in readable if run.config is not None])
    if not found:
        return Note('Differences of configs: none, the runs were told the same.')
    rows = [[path, *values] for path, values in found]
    caption = f'Left out, not readable: {", ".join(skipped)}.' if skipped else ''
    header = ('setting', *(run.name for run in readable))
    return Table('Differences of configs', header, rows, caption, is_text=True)
