"""Every config of a run builds all its parts and does one finite step on small inputs.

Steps of domain adaptation are in ``test_uda_configs.py``, those of DTS in ``test_dts_configs.py``,
of LAD of published size in ``test_lad_configs.py``, of distillation in
``test_cityscapes_kd_configs.py`` and ``test_camvid_kd_configs.py``.
"""

import copy
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import HOOKS

from dts.hooks.ema_teacher import EmaTeacherHook
from dts.hooks.switching_teachers import SwitchingTeachersHook
from dts.registry import DATA_SAMPLERS, MODELS
from toys import batch_of_two_views

CONFIGS = Path(__file__).parents[2] / 'configs'
FILES = sorted(p for p in CONFIGS.glob('*/*.py') if p.parent.name != '_base_')
SIZE = (64, 64)
IS_LARGE = re.compile('deeplabv3plus|mit-b1')
IS_ELSEWHERE = re.compile('^(uda|dts)/|^lad/.*-40k_|^kd/(?!supervised)')
CASES = [
    pytest.param(file, id=file.stem, marks=[pytest.mark.slow] if IS_LARGE.search(file.stem) else [])
    for file in FILES
    if not IS_ELSEWHERE.search(f'{file.parent.name}/{file.stem}')
]


def network_names(hook):
    """Names of the networks beside ``student`` in a run with a teacher hook."""
    if hook.type == 'dts.EmaTeacherHook':
        return ['teacher']
    if hook.type in ('dts.FrozenTeacherHook', 'dts.LabelAssistedTeacherHook'):
        return []  # evaluated where it is trained
    if hook.type == 'dts.GroupTeachersHook':
        return ['teacher', 'teacher_2', 'student_2', 'mean']
    return [f'teacher.{index}' for index in range(hook.get('num_teachers', 2))]


class Streams:
    """Stands for the streams of the data set, which is not here."""

    def __init__(self, names):
        self.streams = {name: range(9) for name in names}


def attach_own_teachers(config, method):
    """Let the hooks of a config make their teachers; return the names that come on duty."""
    runner = SimpleNamespace(
        model=method,
        train_dataloader=SimpleNamespace(
            sampler=SimpleNamespace(batches_per_pass=lambda stream: {'labeled': 3}.get(stream, 9))
        ),
        optim_wrapper=SimpleNamespace(_accumulative_counts=1),
        logger=SimpleNamespace(info=lambda _: None),
    )
    names = []
    for hook in map(HOOKS.build, config.get('custom_hooks', [])):
        if isinstance(hook, EmaTeacherHook | SwitchingTeachersHook):
            hook.before_train(runner)
            names += hook.bank.names
    return names


def attach_label_assisted_teacher(config, method, checkpoint):
    """Let a hook that loads a teacher of labels load one of random weights; return if there is."""
    hooks = config.get('custom_hooks', [])
    hooks = [hook for hook in hooks if hook.type == 'dts.LabelAssistedTeacherHook']
    for entry in hooks:
        first = Config.fromfile(CONFIGS.parent / entry.config, format_python_code=False)
        teacher = first.model.student
        teacher.backbone.init_cfg = None
        teacher.data_preprocessor.size = SIZE
        torch.save(MODELS.build(teacher).state_dict(), checkpoint)
        hook = HOOKS.build(dict(entry, config=teacher, checkpoint=str(checkpoint)))
        hook.before_train(SimpleNamespace(model=method))
    return bool(hooks)


@pytest.mark.slow
@pytest.mark.parametrize('file', CASES)
def test_config_builds_and_takes_one_step(file, tmp_path):
    config = Config.fromfile(file, format_python_code=False)
    student = config.model.student
    student.backbone.init_cfg = None  # weights may have to be downloaded
    student.data_preprocessor.size = SIZE
    num_classes = config.num_classes
    assert student.decode_head.num_classes == num_classes
    method = MODELS.build(config.model).train()
    on_duty = attach_own_teachers(config, method)
    is_assisted = attach_label_assisted_teacher(config, method, tmp_path / 'teacher.pth')
    wrapper = build_optim_wrapper(method, config.optim_wrapper)
    before = method.student.decode_head.conv_seg.weight.clone()
    learned = set()
    for name, weight in method.named_parameters():
        weight.register_post_accumulate_grad_hook(lambda _, name=name: learned.add(name))
    batch = batch_of_two_views(2, size=SIZE, num_classes=num_classes)
    for name in on_duty or [None]:
        if name:
            method.teachers.active = name
        logged = method.train_step(copy.deepcopy(batch), wrapper)
        assert all(torch.isfinite(value) for value in logged.values())
        assert [logged[k] > 0 for k in logged if k.endswith('loss_kd')] == [True] * is_assisted
    assert not torch.equal(before, method.student.decode_head.conv_seg.weight)
    assert learned == {name for name, _ in method.named_parameters()}, 'dead parameters'


@pytest.mark.slow
@pytest.mark.parametrize('file', FILES, ids=lambda file: file.stem)
def test_loader_schedule_and_hooks_fit_together(file):
    config = Config.fromfile(file, format_python_code=False)
    loader = config.train_dataloader
    loader.sampler.pop('rare_class', None)  # reads masks
    sampler = DATA_SAMPLERS.build(
        dict(loader.sampler, dataset=Streams(loader.dataset.streams), seed=0)
    )
    assert sum(sampler.batch.values()) == loader.batch_size
    end = max(scheduler.end for scheduler in config.param_scheduler)
    assert end - config.train_cfg.max_iters in (0, 1)  # 1: the last step still learns
    assert all(HOOKS.get(hook.type) for hook in config.default_hooks.values())
    for hook in config.get('custom_hooks', []):
        HOOKS.build(hook)  # arguments are checked
    teachers = [hook for hook in config.get('custom_hooks', []) if 'Teacher' in hook.type]
    models = {*config.val_cfg.models, *config.test_cfg.models}
    if config.model.type == 'dts.LabelAssistedTeacher':
        expected = {'teacher_with_labels', 'teacher_zeroed'} | (models & {'teacher_blank_image'})
    elif config.model.type == 'dts.CrossPseudoSupervision':
        expected = {'student', 'student_2'}
    else:
        expected = {'student', *(name for hook in teachers for name in network_names(hook))}
    assert models == expected
    assert file.read_text().startswith('# '), 'the first line tells paper, score and cost'
