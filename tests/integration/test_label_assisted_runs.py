"""Both stages of label-assisted distillation as runs: killed, resumed, on ranks, in stock MMSeg."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.apis import init_model
from test_resume import assert_equal_bitwise

from dts.checkpoints.find import find_newest_checkpoint
from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS, MODELS
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
class DumpStudentHook(Hook):
    """Write the student of a rank, before and after training."""

    priority = 'LOWEST'

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.tensors: dict[str, torch.Tensor] = {}

    def before_train(self, runner: Runner) -> None:
        self._keep(runner, 'start')

    def after_train(self, runner: Runner) -> None:
        self._keep(runner, 'end')
        torch.save(self.tensors, f'{self.folder}/rank{get_rank()}.pth')

    def _keep(self, runner: Runner, when: str) -> None:
        for name, tensor in unwrap(runner).student.state_dict().items():
            self.tensors[f'{when}.{name}'] = tensor.clone()


def labeled_run(root: Path, work_dir: Path, batch: int = 2, **overrides: Any) -> Config:
    """A run on labelled images alone, checkpoints after 7 and 12 of 12 steps."""
    loader = dict(batch_size=batch, sampler=dict(batch=dict(labeled=batch, unlabeled=0)))
    config = run_config(root, work_dir, train_dataloader=loader, **overrides)
    config.custom_hooks = []
    config.val_dataloader = config.val_evaluator = config.val_cfg = None
    config.train_cfg = dict(type='dts.TrainLoop', max_iters=12)
    config.default_hooks.checkpoint.update(interval=7)
    return config


def first_stage(root: Path, work_dir: Path, **overrides: Any) -> Config:
    config = labeled_run(root, work_dir, **overrides)
    student = config.model.student
    student.type = 'dts.LabelAssistedEncoderDecoder'
    student.codes = dict(type='dts.LabelCodes', channel_drop=0.3)
    config.model = dict(type='dts.LabelAssistedTeacher', student=student)
    return config


def second_stage(root: Path, work_dir: Path, **overrides: Any) -> Config:
    """Its teacher: the last file of the run ``first`` in the same folder."""
    config = labeled_run(root, work_dir, **overrides)
    term = dict(loss=dict(type='dts.ChannelWiseKD', temperature=4.0), weight=3.0)
    config.model = dict(type='dts.Distillation', student=config.model.student, distill=[term])
    hook = dict(
        type='dts.LabelAssistedTeacherHook',
        config=str(root / 'first.py'),
        checkpoint=str(root / 'first/iter_12.pth'),
        codes=dict(type='dts.LabelCodes', family='permuted_ramp', pixel_sigma=0.035),
    )
    config.custom_hooks = [hook]
    return config


def beside_dual_teacher(root: Path, work_dir: Path) -> Config:
    """Labelled and unlabelled images, each with their teachers; shifts of 4 steps."""
    config = as_dual_teacher(run_config(root, work_dir), shift=4)
    config.model.type = 'dts.AssistedDualTeacher'
    (hook,) = second_stage(root, work_dir).custom_hooks
    config.custom_hooks = [hook, *config.custom_hooks]
    config.val_dataloader = config.val_evaluator = config.val_cfg = None
    config.train_cfg = dict(type='dts.TrainLoop', max_iters=12)
    config.default_hooks.checkpoint.update(interval=7)
    return config


def everything(path: Path) -> dict[str, Any]:
    checkpoint = torch.load(path, weights_only=True)
    wanted = ('state_dict', 'optimizer', 'param_schedulers', 'dts')
    return {key: checkpoint[key] for key in wanted}


def run_and_run_again_with_a_kill(stage: Any, root: Path, name: str) -> None:
    """Train, once straight and once killed and resumed, and compare what is left."""
    assert in_child(train, stage(root, root / name)) == 0
    killed = stage(root, root / f'{name}_killed')
    killed.custom_hooks = [*killed.custom_hooks, dict(type='dts.KillHook', iteration=9)]
    assert in_child(train, killed) == -signal.SIGKILL
    newest = find_newest_checkpoint(root / f'{name}_killed')
    assert newest.name == 'iter_7.pth'
    resumed = stage(root, root / f'{name}_killed')
    resumed.resume, resumed.load_from = True, str(newest)
    assert in_child(train, resumed) == 0
    expected = everything(root / f'{name}/iter_12.pth')
    assert_equal_bitwise(everything(root / f'{name}_killed/iter_12.pth'), expected)


def test_an_assistant_beside_dual_teacher_resumes_exactly(tmp_path):
    make_images(tmp_path)
    first = first_stage(tmp_path, tmp_path / 'first')
    assert in_child(train, first) == 0
    first.dump(tmp_path / 'first.py')
    run_and_run_again_with_a_kill(beside_dual_teacher, tmp_path, 'beside')
    saved = torch.load(tmp_path / 'beside/iter_12.pth', weights_only=True)['dts']['teachers']
    assert list(saved['teachers']) == ['teacher.0', 'teacher.1']
    assert saved['frozen']['teacher']['checkpoint'].endswith('first/iter_12.pth')
    assert saved['active'] == 'teacher.1'  # 12 steps in shifts of 4


def test_both_stages_resume_exactly_and_write_stock_checkpoints(tmp_path):
    make_images(tmp_path)
    run_and_run_again_with_a_kill(first_stage, tmp_path, 'first')
    first_stage(tmp_path, tmp_path / 'first').dump(tmp_path / 'first.py')
    teacher = small_segformer()
    teacher.backbone['in_channels'] = 4
    stock = MODELS.build(teacher)
    stock.load_state_dict(everything(tmp_path / 'first/iter_12.pth')['state_dict'], strict=True)

    run_and_run_again_with_a_kill(second_stage, tmp_path, 'second')
    file = tmp_path / 'second/iter_12.pth'
    ours = everything(file)['dts']
    assert list(ours['teachers']['frozen']) == ['teacher']
    assert not ours['teachers']['teachers']  # its weights are in its own file
    student = MODELS.build(small_segformer())
    student.load_state_dict(everything(file)['state_dict'], strict=True)
    config = Config(dict(model=small_segformer(), test_pipeline=[]))
    opened = init_model(config, str(file), device='cpu')
    for name, tensor in student.state_dict().items():
        assert torch.equal(opened.state_dict()[name], tensor), name


@pytest.mark.parametrize('stage', [second_stage, beside_dual_teacher])
def test_two_ranks_learn_one_student_from_the_teacher(tmp_path, stage):
    """Other images and codes on every rank, one teacher from one file."""
    make_images(tmp_path)
    first = first_stage(tmp_path, tmp_path / 'first')
    first.dump(tmp_path / 'first.py')
    (tmp_path / 'first').mkdir()
    torch.manual_seed(0)
    torch.save(MODELS.build(first.model.student).state_dict(), tmp_path / 'first/iter_12.pth')
    config = stage(tmp_path, tmp_path / 'run')
    dump = dict(type='dts.DumpStudentHook', folder=str(tmp_path))
    config.custom_hooks = [*config.custom_hooks, dump]
    config.train_cfg.max_iters = 6
    on_ranks(train, config)
    one, other = (torch.load(tmp_path / f'rank{rank}.pth') for rank in (0, 1))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
    name = 'decode_head.conv_seg.weight'
    assert not torch.equal(one[f'start.{name}'], one[f'end.{name}'])


def test_two_ranks_take_the_same_steps(tmp_path):
    """Two forwards in a step, other images and codes on every rank: it stays one network."""
    make_images(tmp_path)
    config = first_stage(tmp_path, tmp_path / 'run')
    config.custom_hooks = [dict(type='dts.DumpStudentHook', folder=str(tmp_path))]
    on_ranks(train, config)
    one, other = (torch.load(tmp_path / f'rank{rank}.pth') for rank in (0, 1))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
    start, end = (one[f'{when}.backbone.layers.0.0.projection.weight'] for when in ('start', 'end'))
    assert start.shape[1] == 4
    changed = (start != end).flatten(2).any(dim=2).any(dim=0)
    assert changed.all()  # the slices of the image and of the code
