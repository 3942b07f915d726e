"""Evaluate the networks of several stages together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mmengine.runner import Runner

from chain.plan import SCORES_FILE, StageRun, holds_settings
from chain.progress import describe_scores, say
from chain.spec import ENSEMBLE
from chain.stages import claim_folder
from dts.config import load_config, student_config


def evaluate_ensemble(members: Sequence[StageRun], root: Path) -> None:
    """Write the scores of the ensemble and of its members on the test set of the last one.

    Args:
        members: finished stages.
        root: folder of the chain; the scores are ``ensemble/test.json`` there, under
            ``ensemble/mIoU``, ``<stage>/mIoU``, ...
    """
    folder = root / ENSEMBLE
    scores = folder / SCORES_FILE
    settings = hashlib.sha256(' '.join(m.settings for m in members).encode()).hexdigest()[:16]
    if holds_settings(folder, settings) and scores.is_file():
        say(f'ensemble: evaluated before {describe_scores(scores)}')
        return
    names = [member.stage.name for member in members]
    say(f'ensemble of {", ".join(names)}')
    claim_folder(folder, {'settings': settings, 'members': names})
    config = load_config(members[-1].config_file)
    config.model = {
        'type': 'dts.CheckpointEnsemble',
        'members': {
            member.stage.name: {
                'segmentor': student_config(member.config.model),
                'checkpoint': str(member.checkpoint),
            }
            for member in members
        },
    }
    config.test_cfg = {'type': 'dts.ModelsTestLoop', 'models': [ENSEMBLE, *names]}
    config.custom_hooks = []  # they train, and have no part here
    config.load_from, config.resume = None, False
    config.work_dir = str(folder)
    Runner.from_cfg(config).test()
    say(f'ensemble: {describe_scores(scores)}, all scores {scores}')
