"""Distillation from Lite2 on CamVid: the settings, and one step from a teacher of its size."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from dts.distill.taps import LOGITS
from dts.registry import HOOKS, MODELS
from toys import toy_batch

CONFIGS = Path(__file__).parents[2] / 'configs'
RUN = '1xb4-800_camvid-224x288'
SIZE = (64, 64)
# Loss, weight: of the released codes, in the units of our losses.
TERMS = {
    'kd': (dict(type='dts.LogitKD', temperature=1.0), 1.0),
    'cwd': (dict(type='dts.ChannelWiseKD', temperature=4.0), 3.0),
    'dist': (dict(type='dts.DIST'), 1.0),
    # 3 without T^2
    'cgd': (dict(type='dts.ChannelWiseKD', temperature=2.0, group_size=10), 3 / 2**2),
    # 2e-5 of the sum over the 352 x 7 x 9 values of a crop
    'mgd': (dict(type='dts.MGD', channels=352, mask_ratio=0.75), 2e-5 * 22176),
}
NAMES = [*(f'{loss}_fpn_lite0_{RUN}' for loss in TERMS), f'kd_fpn_lite1_{RUN}']


def read(name: str) -> Config:
    return Config.fromfile(CONFIGS / 'kd' / f'{name}.py', format_python_code=False)


def test_all_configs_are_here() -> None:
    files = {path.stem for path in (CONFIGS / 'kd').glob('*_camvid-*.py')}
    assert {name for name in files if not name.startswith('supervised')} == set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_step_from_the_teacher_of_the_config(name: str, tmp_path: Path) -> None:
    config = read(name)
    (entry,) = config.custom_hooks
    teacher = Config.fromfile(
        CONFIGS.parent / entry.teachers.teacher.config, format_python_code=False
    ).model.student
    assert teacher.backbone.arch == 'lite2'
    for network in (teacher, config.model.student):
        network.data_preprocessor.size = SIZE
        network.backbone.init_cfg = None  # weights are not part of this package
    file = tmp_path / 'teacher.pth'
    torch.save(MODELS.build(teacher).state_dict(), file)
    entry.teachers.teacher = dict(config=teacher, checkpoint=str(file))

    method = MODELS.build(config.model).train()
    HOOKS.build(entry).before_train(SimpleNamespace(model=method))
    wrapper = build_optim_wrapper(method, config.optim_wrapper)
    before = method.student.decode_head.conv_seg.weight.detach().clone()
    batch = toy_batch(num_unlabeled=0, size=SIZE, num_classes=config.num_classes)
    logged = method.train_step(batch, wrapper)
    assert 0 < float(logged['distill.0.loss_kd']) < torch.inf
    assert not torch.equal(before, method.student.decode_head.conv_seg.weight)


@pytest.mark.parametrize('loss', TERMS)
def test_settings_are_published_ones(loss: str) -> None:
    config = read(f'{loss}_fpn_lite0_{RUN}')
    (term,) = config.model.distill
    expected, weight = TERMS[loss]
    assert term.loss == expected
    assert term.weight == pytest.approx(weight)
    tap = ('backbone', 3) if loss == 'mgd' else (LOGITS, None)
    assert (term.get('student', LOGITS), term.get('student_index')) == tap
    assert (term.get('teacher', LOGITS), term.get('teacher_index')) == tap
    assert config.crop_size == (7 * 32, 9 * 32)
