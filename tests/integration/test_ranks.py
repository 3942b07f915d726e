"""Two gloo processes do what one process does."""

import pytest
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS
from runs import (
    as_dual_teacher,
    in_child,
    make_images,
    on_ranks,
    run_config,
    small_segformer,
    train,
)

pytestmark = pytest.mark.slow


@HOOKS.register_module(force=True)
class DumpHook(Hook):
    """Write what a rank holds at the end of training."""

    priority = 'LOWEST'

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def after_train(self, runner) -> None:
        method = unwrap(runner)
        state = {'student': method.student.state_dict(), 'teachers': method.teachers.state_dict()}
        torch.save(state, f'{self.folder}/rank{get_rank()}.pth')


@HOOKS.register_module(force=True)
class GradientsHook(Hook):
    """Write what the optimizer steps with, as it is on rank 0 after DDP averaged over ranks."""

    def __init__(self, folder: str) -> None:
        self.file = f'{folder}/gradients.pth'

    def before_train(self, runner) -> None:
        wrapper, method, steps = runner.optim_wrapper, unwrap(runner), []
        original = wrapper.step

        def step(**kwargs):
            steps.append({name: p.grad.clone() for name, p in method.named_parameters()})
            original(**kwargs)

        wrapper.step = step
        self.steps = steps

    def after_train(self, runner) -> None:
        if get_rank() == 0:
            torch.save(self.steps, self.file)


def run(root, name, max_iters=20, batch=1, **overrides):
    """Config with half of the global batch per rank, and both ranks' states written."""
    loader = dict(batch_size=2 * batch, sampler=dict(batch=dict(labeled=batch, unlabeled=batch)))
    (root / name).mkdir()
    config = run_config(root, root / name, train_dataloader=loader, **overrides)
    config.custom_hooks = [*config.custom_hooks, dict(type='dts.DumpHook', folder=str(root / name))]
    config.train_cfg.update(max_iters=max_iters, val_interval=1000)
    config.default_hooks.checkpoint.update(interval=10)
    return config


def states(folder):
    return [torch.load(folder / f'rank{rank}.pth') for rank in (0, 1)]


def flat(state):
    teachers = state['teachers']['teachers']
    networks = {'student': state['student']}
    networks.update({name: teacher['state_dict'] for name, teacher in teachers.items()})
    return {f'{n}.{k}': v for n, network in networks.items() for k, v in network.items()}


def mean_teacher(config):
    return config


def dual_teacher(config):
    return as_dual_teacher(config, shift=7)


def faithful_dual_teacher(config):
    """Teachers in train mode, whose statistics and dropout are of their rank until averaged."""
    config = dual_teacher(config)
    config.model = dict(type='dts.FaithfulDualTeacher', student=config.model.student, threshold=0.4)
    config.custom_hooks[0].update(teacher_mode='train', buffers='own')
    return config


@pytest.mark.parametrize('method', [mean_teacher, dual_teacher, faithful_dual_teacher])
def test_students_teachers_and_buffers_stay_equal_and_a_resume_is_exact(tmp_path, method):
    make_images(tmp_path)
    on_ranks(train, method(run(tmp_path, 'straight', batch=2)))
    first, second = (flat(state) for state in states(tmp_path / 'straight'))
    assert any('running_mean' in name for name in first)
    assert any((value != 0).any() for name, value in first.items() if 'running_mean' in name)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name

    half = method(run(tmp_path, 'half', max_iters=10, batch=2))
    half.param_scheduler = [dict(type='PolyLR', power=0.9, end=40, by_epoch=False)]
    on_ranks(train, half)
    resumed = method(run(tmp_path, 'resumed', batch=2))
    resumed.resume, resumed.load_from = True, str(tmp_path / 'half/iter_10.pth')
    on_ranks(train, resumed)
    for name, value in flat(states(tmp_path / 'resumed')[1]).items():
        assert torch.equal(value, first[name]), name


def with_gradients(config, folder):
    config.custom_hooks = [*config.custom_hooks, dict(type='dts.GradientsHook', folder=str(folder))]
    return config


@pytest.mark.parametrize('method', [mean_teacher, dual_teacher])
def test_gradients_and_weights_equal_those_of_one_process_with_the_global_batch(tmp_path, method):
    make_images(tmp_path)
    student = small_segformer(drop=0.0, norm='GN')
    student.data_preprocessor.size = (32, 32)
    student.data_preprocessor.pop('size_divisor')
    quiet = dict(
        model=dict(student=student, mix=None, threshold=0.0),  # nothing is drawn in the step
        optim_wrapper=dict(optimizer=dict(_delete_=True, type='SGD', lr=0.05)),
    )
    two = method(run(tmp_path, 'two', max_iters=6, batch=1, **quiet))
    one = method(run(tmp_path, 'one', max_iters=6, batch=2, **quiet))
    if method is dual_teacher:
        for config in (two, one):
            config.model.update(mix=[None], weighting=['pixel_mask'], threshold=0.0)
            config.model.sub_network = 'none'
            config.custom_hooks[0].shift = 4
    on_ranks(train, with_gradients(two, tmp_path / 'two'))
    assert in_child(train, with_gradients(one, tmp_path / 'one')) == 0

    expected = torch.load(tmp_path / 'one/gradients.pth')
    assert len(expected) == 6
    assert sum(gradient.count_nonzero() for gradient in expected[0].values()) > 1000
    gradients = torch.load(tmp_path / 'two/gradients.pth')
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-6)
    weights = flat(torch.load(tmp_path / 'two/rank0.pth'))
    expected = flat(torch.load(tmp_path / 'one/rank0.pth'))
    torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-6)
