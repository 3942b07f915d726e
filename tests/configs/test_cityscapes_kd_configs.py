"""Distillation in MMSegmentation's protocol: its settings, and one step from a small teacher."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from dts.registry import HOOKS, MODELS
from toys import toy_batch

CONFIGS = Path(__file__).parents[2] / 'configs'
RUN = 'r18_4xb2-80k_cityscapes-512x1024'
NAMES = [f'{loss}_{net}_{RUN}' for net in ('pspnet', 'deeplabv3') for loss in ('cwd', 'kd', 'dist')]
SIZE = (32, 32)
LOGITS, AUXILIARY = 'decode_head.conv_seg', 'auxiliary_head.conv_seg'
# Loss, its temperature, and where and how strongly it acts.
TERMS = {
    'cwd': ('dts.ChannelWiseKD', 1.0, [(LOGITS, 5.0)]),
    'kd': ('dts.LogitKD', 1.0, [(LOGITS, 1.0)]),
    'dist': ('dts.DIST', 1.0, [(LOGITS, 1.0), (AUXILIARY, 0.4)]),
}


def read(name: str) -> Config:
    return Config.fromfile(CONFIGS / 'kd' / f'{name}.py', format_python_code=False)


def shrink(model: Any, width: int) -> None:
    """Make a network tiny; a teacher is wider than its student."""
    model.data_preprocessor.size = SIZE
    model.backbone.update(init_cfg=None, depth=18, base_channels=width, stem_channels=16)
    model.decode_head.update(in_channels=8 * width, channels=16)
    model.auxiliary_head.update(in_channels=4 * width, channels=16)


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_step_from_the_teacher_of_the_config(name: str, tmp_path: Path) -> None:
    config = read(name)
    (entry,) = config.custom_hooks
    teacher = Config.fromfile(
        CONFIGS.parent / entry.teachers.teacher.config, format_python_code=False
    ).model
    assert teacher.backbone.depth == 101
    shrink(teacher, 32)
    file = tmp_path / 'teacher.pth'
    torch.save(MODELS.build(teacher).state_dict(), file)
    entry.teachers.teacher = dict(config=teacher, checkpoint=str(file))

    shrink(config.model.student, 16)
    method = MODELS.build(config.model).train()
    hook = HOOKS.build(entry)
    hook.before_train(SimpleNamespace(model=method))
    before = method.student.decode_head.conv_seg.weight.detach().clone()
    batch = toy_batch(num_unlabeled=0, size=SIZE, num_classes=config.num_classes)
    logged = method.train_step(batch, build_optim_wrapper(method, config.optim_wrapper))
    terms = {key for key in logged if key.endswith('loss_kd')}
    assert terms == {f'distill.{i}.loss_kd' for i in range(len(config.model.distill))}
    assert all(0 < float(logged[key]) < torch.inf for key in terms)
    assert not torch.equal(before, method.student.decode_head.conv_seg.weight)


@pytest.mark.parametrize('name', NAMES)
def test_settings_are_published_ones(name: str) -> None:
    config = read(name)
    loss, network = name.split('_')[:2]
    kind, temperature, taps = TERMS[loss]
    assert [(t.get('student', LOGITS), t.weight) for t in config.model.distill] == taps
    for term in config.model.distill:
        assert (term.loss.type, term.loss.get('temperature', 1.0)) == (kind, temperature)
        assert term.get('teacher', LOGITS) == term.get('student', LOGITS)
    (entry,) = config.custom_hooks
    teacher = entry.teachers.teacher
    assert teacher.config == f'configs/_base_/models/{network}_r101.py'
    metafile = Path(mmseg.__file__).parent / f'.mim/configs/{network}/metafile.yaml'
    if metafile.is_file():  # the weights that MMSeg publishes
        assert Path(teacher.checkpoint).name in metafile.read_text()
    assert (
        f'/{Path(teacher.checkpoint).name}' in (CONFIGS / f'kd/hosts/{network}_r18.py').read_text()
    )


@pytest.mark.parametrize('network', ['pspnet', 'deeplabv3'])
def test_protocol_is_that_of_mmseg(network: str) -> None:
    path = Path(mmseg.__file__).parent / '.mim/configs' / network
    path = path / f'{network}_r18-d8_4xb2-80k_cityscapes-512x1024.py'
    if not path.is_file():
        pytest.skip('this MMSegmentation does not ship its configs')
    theirs, ours = Config.fromfile(path), read(f'cwd_{network}_{RUN}')
    assert ours.optim_wrapper.optimizer == theirs.optim_wrapper.optimizer
    assert ours.param_scheduler == theirs.param_scheduler
    assert ours.train_cfg.max_iters == theirs.train_cfg.max_iters
    assert ours.train_dataloader.batch_size == theirs.train_dataloader.batch_size == 2
    assert ours.train_dataloader.sampler.batch == {'labeled': 2}
    assert ours.auto_scale_lr.base_batch_size == 4 * 2
    assert ours.model.student.data_preprocessor.size == theirs.model.data_preprocessor.size
    assert ours.model.student.test_cfg == theirs.model.test_cfg
    # its cross entropy divides by all pixels, ignored ones included
    assert ours.model.criterion == dict(type='dts.CrossEntropy', avg_non_ignore=False)
    *steps, branches = ours.train_dataloader.dataset.streams.labeled.pipeline
    steps = [*steps[2:], *branches.branches.labeled]
    assert steps == theirs.train_dataloader.dataset.pipeline[2:]
