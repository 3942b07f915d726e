"""A class that vanishes from the pseudo-labels is named once."""

from types import SimpleNamespace

import pytest
import torch

from dts.hooks.class_collapse import ClassCollapseHook
from dts.registry import MODELS
from toys import toy_segmentor_config


@pytest.fixture
def watched():
    method = MODELS.build(dict(type='dts.SelfTraining', student=toy_segmentor_config()))
    stream = SimpleNamespace(metainfo={'classes': ('road', 'car', 'sign')})
    warnings = []
    runner = SimpleNamespace(
        model=method,
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(streams={'source': stream})),
        logger=SimpleNamespace(warning=warnings.append),
    )
    hook = ClassCollapseHook(interval=2, min_share=0.01)
    hook.before_train(runner)
    iterations = iter(range(1000))

    def step(*labels):
        method.expose(pseudo_label=torch.tensor(labels), mixed_weight=torch.ones(1))
        hook.after_train_iter(runner, next(iterations))

    return step, warnings


def test_a_class_that_vanishes_is_named_once(watched):
    step, warnings = watched
    step(0, 0, 1, 1)
    step(0, 0, 2, 255)
    assert warnings == []
    for _ in range(4):
        step(0, 0, 2, 2)
    (message,) = warnings
    assert "class 'car' has vanished" in message
    assert 'iterations 2 to 3' in message


def test_a_class_that_never_was_there_is_no_news(watched):
    step, warnings = watched
    for _ in range(6):
        step(0, 0, 0, 0)
    assert warnings == []


def test_ignored_pixels_count_for_no_class(watched):
    step, warnings = watched
    step(0, 1, 2, 2)
    step(0, 1, 2, 2)
    step(255, 255, 255, 255)
    step(0, 1, 2, 2)
    assert warnings == []
