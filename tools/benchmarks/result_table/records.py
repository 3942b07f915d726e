"""What is kept of a run beside its scores: settings, cost, and where the numbers come from."""

from __future__ import annotations

import copy
import datetime
import functools
import hashlib
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dts.config import default_data_root
from dts.report.logged import read_logged
from result_table.spec import Cell

RECORD_FILE = 'cell.json'
SCORES_FILE = 'test.json'
REPOSITORY = Path(__file__).resolve().parents[3]
VERSIONS_OF = ('torch', 'mmengine', 'mmsegmentation')


@dataclass
class Attempt:
    """One process of a run.

    Attributes:
        started: date and time (UTC).
        commit: of the code, ``-dirty`` when the working tree had changes; None outside of git.
        cpu_seconds: user plus system time of the process and the children it waited for.
        wall_seconds: duration.
        exit_code: None while it runs, or when the driver was killed.
    """

    started: str
    commit: str | None
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    exit_code: int | None = None


@dataclass
class Record:
    """All attempts at a run with one setting; kept as ``cell.json`` in its folder."""

    settings: str
    command: list[str]
    machine: str
    versions: dict[str, str]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all attempts, that of killed ones included."""
        return sum(attempt.cpu_seconds for attempt in self.attempts)

    @property
    def wall_seconds(self) -> float:
        """Duration of all attempts."""
        return sum(attempt.wall_seconds for attempt in self.attempts)


def read_record(folder: Path) -> Record | None:
    """Return the record of a run, None if it was never started."""
    file = folder / RECORD_FILE
    if not file.is_file():
        return None
    content = json.loads(file.read_text())
    attempts = [Attempt(**attempt) for attempt in content.pop('attempts')]
    return Record(**content, attempts=attempts)


def write_record(record: Record, folder: Path) -> None:
    """Replace the record of a run; a kill leaves the old or the new one."""
    replace_file(folder / RECORD_FILE, json.dumps(asdict(record), indent=2) + '\n')


def read_scores(folder: Path) -> dict[str, float | None] | None:
    """Return the metrics of a finished run, None if it has not finished."""
    file = folder / SCORES_FILE
    return json.loads(file.read_text()) if file.is_file() else None


def read_step_time(folder: Path) -> float | None:
    """Return the mean duration of a training step.

    Args:
        folder: of a run.

    Returns:
        Milliseconds of wall-clock time, loading included; of a resumed run every step counts once.
        None without a log.
    """
    times = read_logged(folder).train.get('time', {}).values()
    return 1000 * sum(times) / len(times) if times else None


def is_done(folder: Path, settings: str) -> bool:
    """Return whether a run with these settings has finished."""
    record = read_record(folder)
    return record is not None and record.settings == settings and read_scores(folder) is not None


def settings_hash(cell: Cell) -> str:
    """Return a digest of all that a run is a function of: config, seed, teachers and start.

    Comments, the layout of config files and the folders of the data and of this repository do not
    count. Of a run before this one its digest counts.

    Args:
        cell: the run.

    Returns:
        16 hexadecimal digits.
    """
    config = copy.deepcopy(_read_config(cell.config))
    config.merge_from_dict(cell.options)
    content = {'config': config.to_dict(), 'seed': cell.seed}
    if cell.teachers:
        content['teachers'] = {role: settings_hash(run) for role, run in cell.teachers.items()}
    if cell.start:
        content['start'] = {entry: settings_hash(run) for entry, run in cell.start.items()}
    text = json.dumps(content, sort_keys=True, default=str).replace(f'{REPOSITORY}/', '')
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def git_commit(*ignored: Path) -> str | None:
    """Return the commit of the working tree.

    Args:
        ignored: files whose changes do not count (results, which every finished run rewrites);
            Markdown, into which the tables are written, never counts.

    Returns:
        Short hash, ``-dirty`` after it when files were changed or added; None outside of git.
    """
    commit = _git('rev-parse', '--short=10', 'HEAD')
    if commit is None:
        return None
    excluded = [':(exclude,glob)**/*.md', *(f':(exclude){file}' for file in ignored)]
    is_clean = _git('status', '--porcelain', '--', ':/', *excluded) == ''
    return commit if is_clean else f'{commit}-dirty'


def describe_machine() -> str:
    """Return the model of the CPU and the number of cores."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                model = line.partition(':')[2].strip()
                break
    return f'{model}, {os.cpu_count()} cores'


def describe_versions() -> dict[str, str]:
    """Return the versions of the packages that decide numbers."""
    versions = {dist.metadata['Name'].lower(): dist.version for dist in metadata.distributions()}
    names = [name for stock in VERSIONS_OF for name in (stock, f'onedl-{stock}')]
    return {name: versions[name] for name in names if name in versions}


def now() -> str:
    """Return date and time in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M:%S')


def replace_file(file: Path, text: str) -> None:
    """Write a file in one step."""
    temporary = file.with_name(f'{file.name}.tmp')
    temporary.write_text(text)
    os.replace(temporary, file)


@functools.cache
def _read_config(file: Path) -> Any:
    """Resolve a config file as if the data were in its default place."""
    with default_data_root():
        return Config.fromfile(file, import_custom_modules=False)


def _git(*arguments: str) -> str | None:
    """Return the output of a git command, None if it fails."""
    try:
        done = subprocess.run(['git', *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
