"""Random draws are a function of seed, rank and iteration."""

import random
from types import SimpleNamespace

import numpy as np
import torch

from dts.hooks import step_seed
from dts.hooks.step_seed import StepSeedHook


def draws(seed=0, iteration=5):
    StepSeedHook().before_train_iter(SimpleNamespace(seed=seed), iteration)
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_a_step_draws_the_same_whatever_was_drawn_before():
    expected = draws()
    torch.rand(100)
    assert draws() == expected


def test_steps_seeds_and_ranks_draw_differently(monkeypatch):
    one = [draws(), draws(iteration=6), draws(seed=1)]
    monkeypatch.setattr(step_seed, 'get_rank', lambda: 1)
    values = [*one, draws()]
    python, numpy, pytorch = zip(*values, strict=True)
    assert len(set(numpy)) == len(set(pytorch)) == 4
    assert len(set(python)) == 3
    assert python[3] == python[0]  # what all ranks must decide alike
