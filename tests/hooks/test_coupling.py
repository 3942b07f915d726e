"""Distance and agreement against hand-made networks, and through a run."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import LoggerHook
from torch import nn

from dts.hooks.coupling import CouplingHook, relative_distance, same_share


def test_distance_is_relative_to_the_student():
    student, teacher = nn.Linear(2, 1), nn.Linear(2, 1)
    with torch.no_grad():
        student.weight.copy_(torch.tensor([[3.0, 0.0]]))
        student.bias.fill_(4.0)
        teacher.weight.copy_(torch.tensor([[3.0, 1.0]]))
        teacher.bias.fill_(4.0)
    assert relative_distance(teacher, student) == pytest.approx(1 / 5)
    assert relative_distance(student, student) == 0


def test_agreement_is_over_all_pixels_of_all_images():
    one = [torch.tensor([1, 2, 3, 4]), torch.tensor([5, 6])]
    two = [torch.tensor([1, 2, 0, 0]), torch.tensor([5, 6])]
    assert same_share(one, two) == pytest.approx(4 / 6)


def test_a_run_without_validation_is_refused():
    runner = SimpleNamespace(val_loop=None, hooks=[LoggerHook(interval=20)])
    with pytest.raises(ValueError, match='add val_dataloader'):
        CouplingHook().before_train(runner)


def test_a_logger_that_would_write_old_values_is_refused():
    runner = SimpleNamespace(val_loop=None, hooks=[LoggerHook(interval=50)])
    with pytest.raises(ValueError, match=r'default_hooks\.logger\.interval=20'):
        CouplingHook().before_train(runner)


@pytest.mark.parametrize('name', ['interval', 'num_images'])
def test_nothing_to_measure_is_refused(name):
    with pytest.raises(ValueError, match=f'{name} of CouplingHook must be at least 1, got 0'):
        CouplingHook(**{name: 0})
