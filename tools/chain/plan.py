"""What a stage is as a run: its complete config, its folder, its digest, and whether it is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from chain.spec import Chain, Stage
from dts.checkpoints.find import check_whole
from dts.config import default_data_root, load_config, set_teacher
from dts.protocols.configs import check_config

SCORES_FILE = 'test.json'


@dataclass(frozen=True)
class StageRun:
    """A stage with all that its run is a function of.

    Attributes:
        stage: of the chain file.
        folder: work dir.
        config: complete, teachers included.
        settings: digest of config and seed, and of the settings of the stages that teach it or that
            it starts from. Paths of these and of data do not count.
        num_processes: that train it together; the batch of a config is that of one of them.
    """

    stage: Stage
    folder: Path
    config: Config
    settings: str
    num_processes: int = 1

    @property
    def config_file(self) -> Path:
        """File of the complete config, beside the folder."""
        return self.folder.parent / f'{self.folder.name}.py'

    @property
    def log(self) -> Path:
        """What the process printed, over all attempts."""
        return self.folder / 'train.log'

    @property
    def num_steps(self) -> int:
        """Iterations of the whole run."""
        return int(self.config.train_cfg.max_iters)

    @property
    def checkpoint(self) -> Path:
        """File of the last iteration."""
        return self.folder / f'iter_{self.num_steps}.pth'

    @property
    def manifest(self) -> dict[str, Any]:
        """What is kept beside the run: settings, and what they are made of."""
        return {
            'settings': self.settings,
            'config': str(self.stage.config),
            'teachers': self.stage.teachers,
            'start': self.stage.start,
            'num_processes': self.num_processes,
        }

    def is_finished(self) -> bool:
        """Return whether the last checkpoint, whole, and the scores are there, of these settings.

        Without ``final_test`` in the config there are no scores to wait for.
        """
        if not holds_settings(self.folder, self.settings):
            return False
        if self.config.get('final_test') and not (self.folder / SCORES_FILE).is_file():
            return False
        try:
            check_whole(self.checkpoint)
        except (FileNotFoundError, ValueError):
            return False
        return True


def plan(chain: Chain, root: Path, num_processes: int = 1) -> list[StageRun]:
    """Complete the configs of all stages, before the first one starts.

    Args:
        chain: the chain.
        root: folder of the chain.
        num_processes: of every stage, >= 1.

    Returns:
        The runs, in their order.

    Raises:
        ValueError: if a config does not know a teacher, counts no iterations, or departs from the
            protocol that it names.
    """
    runs: dict[str, StageRun] = {}
    for stage in chain.stages:
        where = f'{chain.file}: stage {stage.name!r}'
        teachers = {role: runs[name] for role, name in stage.teachers.items()}
        start = {entry: runs[name] for entry, name in stage.start.items()}
        with default_data_root():
            settings = _digest(
                _read_config(stage, where),
                teachers={role: teacher.settings for role, teacher in teachers.items()},
                start={entry: run.settings for entry, run in start.items()},
                num_processes=num_processes,
            )
        config = _read_config(stage, where)
        if not (config.get('train_cfg') or {}).get('max_iters'):
            raise ValueError(f'{where}: {stage.config} has no train_cfg.max_iters')
        check_config(config)
        for role, teacher in teachers.items():
            set_teacher(config, role, (teacher.config_file, teacher.checkpoint), where)
        _merge(config, {entry: str(run.checkpoint) for entry, run in start.items()}, where, 'start')
        folder = root / stage.name
        runs[stage.name] = StageRun(stage, folder, config, settings, num_processes)
    return list(runs.values())


def holds_settings(folder: Path, settings: str) -> bool:
    """Return whether a folder was begun with these settings.

    Args:
        folder: of a run, perhaps not there.
        settings: a digest.
    """
    file = folder / 'stage.json'
    return file.is_file() and json.loads(file.read_text())['settings'] == settings


def _read_config(stage: Stage, where: str) -> Config:
    """Read the config of a stage, with its options and its seed."""
    config = load_config(stage.config)
    _merge(config, stage.options, where, 'options')
    if stage.seed is not None:
        config.randomness = {**config.get('randomness', {}), 'seed': stage.seed}
    return config


def _merge(config: Config, entries: Mapping[str, Any], where: str, key: str) -> None:
    """Change entries of a config."""
    try:
        config.merge_from_dict(dict(entries))
    except (KeyError, TypeError) as error:
        raise ValueError(f'{where}: {key} cannot be set in its config: {error}') from error


def _digest(
    config: Config, teachers: Mapping[str, str], start: Mapping[str, str], num_processes: int
) -> str:
    """Return 16 hexadecimal digits; comments and layout of config files do not count."""
    content = {'config': config.to_dict(), 'teachers': dict(teachers)}
    if start:
        content['start'] = dict(start)
    if num_processes > 1:
        content['num_processes'] = num_processes
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
