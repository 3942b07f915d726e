"""The published learning rates, step by step, in every parameter group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from numpy.typing import NDArray
from torch import nn

FOLDER = Path(__file__).parents[2] / 'configs/_base_/schedules'
TOLERANCE = 1e-6  # asked for are 1e-3; the factors are the published ones


class TwoRates(nn.Module):
    """One parameter group per rate: the head has a rate of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(1, 1)
        self.decode_head = nn.Linear(1, 1)


def run(optim_wrapper: Any, schedulers: list[Any], num_steps: int) -> NDArray[np.float64]:
    """Return the rate of every step and group, (steps, groups), as a run of MMEngine has them."""
    optimizer = build_optim_wrapper(TwoRates(), optim_wrapper).optimizer
    built = [
        PARAM_SCHEDULERS.build({**scheduler, 'optimizer': optimizer}) for scheduler in schedulers
    ]
    optimizer.step()  # nothing moves without a gradient; schedulers want to come second
    rates = np.empty((num_steps, len(optimizer.param_groups)))
    for step in range(num_steps):
        rates[step] = [group['lr'] for group in optimizer.param_groups]
        for scheduler in built:
            scheduler.step()
    return rates


def published_adamw(base: float, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """MMCV 1: the decayed rate times one minus what the warm-up still takes away."""
    missing = np.clip(1 - steps / 1500, 0, None) * (1 - 1e-6)
    return base * (1 - steps / 40000) * (1 - missing)


def published_sgd(base: float, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """DACS: polynomial decay from the first step on."""
    return base * (1 - steps / 250000) ** 0.9


@pytest.mark.parametrize(
    ('name', 'length', 'base', 'published'),
    [
        ('adamw_40k', 40000, 6e-5, published_adamw),
        ('sgd_250k', 250000, 2.5e-4, published_sgd),
    ],
)
@pytest.mark.parametrize('part', ['start', pytest.param('all', marks=pytest.mark.slow)])
def test_rate_of_every_step_is_the_published_one(
    name: str, length: int, base: float, published: Any, part: str
) -> None:
    config = Config.fromfile(FOLDER / f'{name}.py', format_python_code=False)
    assert config.train_cfg.max_iters == length
    num_steps = 2000 if part == 'start' else length
    rates = run(config.optim_wrapper, config.param_scheduler, num_steps)
    steps = np.arange(num_steps, dtype=float)
    expected = np.stack([published(base, steps), published(10 * base, steps)], axis=1)
    assert (expected > 0).all()  # the last step still learns
    np.testing.assert_allclose(rates, expected, rtol=TOLERANCE)


def test_usual_pair_of_schedulers_is_4_percent_off() -> None:
    config = Config.fromfile(FOLDER / 'adamw_40k.py', format_python_code=False)
    warmup, decay = (dict(scheduler) for scheduler in config.param_scheduler)
    pair = [warmup | dict(end=1500), decay | dict(begin=1500, end=40000)]
    rates = run(config.optim_wrapper, pair, 2001)[2000, 0]
    assert rates / published_adamw(6e-5, np.array([2000.0]))[0] == pytest.approx(1.039, abs=1e-3)
