"""Distance and agreement against hand-made networks, and through a run."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import LoggerHook
from torch import nn

from dts.hooks.coupling import CouplingHook, relative_distance, same_share
from dts.registry import MODELS
from runs import in_child, make_images, run_config, train
from toys import toy_segmentor_config


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


def test_several_students_are_refused():
    method = MODELS.build(dict(type='dts.CrossPseudoSupervision', student=toy_segmentor_config()))
    runner = SimpleNamespace(
        val_loop=SimpleNamespace(dataloader=[]), hooks=[LoggerHook(interval=20)], model=method
    )
    with pytest.raises(ValueError, match=r"this method trains \['student', 'student_2'\]: take it"):
        CouplingHook().before_train(runner)


@pytest.mark.slow
def test_measuring_changes_no_step(tmp_path):
    make_images(tmp_path)
    weights = []
    for is_measured in (False, True):
        folder = tmp_path / str(is_measured)
        config = run_config(tmp_path, folder, train_cfg=dict(max_iters=4, val_interval=100))
        config.default_hooks.logger.interval = 1
        if is_measured:
            config.custom_hooks.append(dict(type='dts.CouplingHook', interval=1, num_batches=2))
        assert in_child(train, config) == 0
        file = torch.load(folder / 'iter_4.pth', weights_only=True)
        weights.append(file['state_dict'])
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


@pytest.mark.parametrize('name', ['interval', 'num_batches'])
def test_nothing_to_measure_is_refused(name):
    with pytest.raises(ValueError, match=f'{name} of CouplingHook must be at least 1, got 0'):
        CouplingHook(**{name: 0})
