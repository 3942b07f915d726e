"""``kd_explain.py``: which file is which, its scores and its pictures."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from dts.label_assisted.codes import LabelCodes
from dts.registry import MODELS
from runs import make_images, run_config, small_segformer
from toys import toy_segmentor_config

FILE = Path(__file__).parents[2] / 'tools/analysis_tools/kd_explain.py'
SPEC = importlib.util.spec_from_file_location('kd_explain', FILE)
kd_explain = importlib.util.module_from_spec(SPEC)
sys.modules['kd_explain'] = kd_explain  # dataclasses look their module up
SPEC.loader.exec_module(kd_explain)

GAP = kd_explain.GAP


def save(config: Any, file: Path, seed: int) -> None:
    torch.manual_seed(seed)
    network = MODELS.build(config)
    torch.nn.init.normal_(network.decode_head.conv_seg.weight)
    torch.save(dict(state_dict=network.state_dict()), file)


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks a and b of one architecture, a SegFormer, and a config per teacher."""
    tmp_path = tmp_path_factory.mktemp('project')
    make_images(tmp_path)
    student, segformer = toy_segmentor_config(), small_segformer()
    assisted = toy_segmentor_config()
    assisted.type, assisted.codes = 'dts.LabelAssistedEncoderDecoder', dict(type='dts.LabelCodes')
    save(student, tmp_path / 'a.pth', 1)
    save(student, tmp_path / 'b.pth', 2)
    save(segformer, tmp_path / 'segformer.pth', 3)
    save(assisted, tmp_path / 'assisted.pth', 4)
    loss = dict(type='dts.FeatureMSE')
    features = dict(student='backbone', student_index=0, teacher='backbone', teacher_index=0)
    for name, model in (('a', student), ('segformer', segformer), ('assisted', assisted)):
        given = dict(config=model, checkpoint=str(tmp_path / f'{name}.pth'))
        hook: dict[str, Any] = dict(type='dts.FrozenTeacherHook', teachers=dict(teacher=given))
        if name == 'assisted':
            hook = dict(type='dts.LabelAssistedTeacherHook', **given)
        config = run_config(tmp_path, tmp_path / 'run')
        config.model = dict(
            type='dts.Distillation',
            student=student,
            distill=[
                dict(features, loss=loss),
                dict(loss=dict(type='dts.LogitKD')),
                dict(student='auxiliary_head.conv_seg', loss=loss),
            ],
        )
        config.custom_hooks = [dict(type='dts.CheckLabelsHook'), hook]
        Config(config.to_dict(), format_python_code=False).dump(str(tmp_path / f'{name}.py'))
    return tmp_path


def run(project: Path, teacher: str, distilled: str, baseline: str, *options: str) -> dict:
    files = [str(project / f'{teacher}.py')]
    files += [str(project / f'{name}.pth') for name in (distilled, baseline)]
    out = ['--images', '2', '--pixels', '12', '--out-dir', str(project / 'out')]
    kd_explain.main([*files, *out, *options])
    return json.loads((project / 'out/explanation.json').read_text())


def test_distilled_and_baseline_are_told_apart(project: Path, capsys: Any) -> None:
    found = run(project, 'a', 'a', 'b')  # the student became the teacher
    assert found['residual'] == 0
    assert found['distilled'] == pytest.approx(1)
    assert found['pixels'] == 36  # three classes
    assert (found['student'], found['teacher']) == ('backbone[0]', 'backbone[0]')
    assert capsys.readouterr().out.startswith('distilled 1.0000, residual 0.0000: ')
    found = run(project, 'a', 'b', 'a')
    assert found['distilled'] == 0
    assert found['residual'] == pytest.approx(1)
    found = run(project, 'a', 'b', 'b')
    assert (found['distilled'], found['residual']) == (0, 0)


def test_pictures_show_image_distilled_and_residual(project: Path) -> None:
    run(project, 'a', 'a', 'b')
    files = sorted((project / 'out').glob('*.png'))
    assert len(files) == 2
    for file in files:
        image = cv2.imread(str(project / f'images/{file.name}'))
        height, width = image.shape[:2]
        picture = cv2.imread(str(file))
        assert picture.shape == (height, 3 * width + 2 * GAP, 3)
        np.testing.assert_array_equal(picture[:, :width], image)
        assert (picture[:, width : width + GAP] == 255).all()
        nothing = cv2.applyColorMap(np.zeros((height, width), np.uint8), cv2.COLORMAP_INFERNO)
        nothing = cv2.addWeighted(nothing, kd_explain.HEAT_OPACITY, image, 0.4, 0)
        assert (picture[:, width + GAP : 2 * width + GAP] != nothing).any()
        np.testing.assert_array_equal(picture[:, 2 * (width + GAP) :], nothing)


def test_scores_of_another_architecture_are_compared_at_one_size(project: Path) -> None:
    found = run(project, 'segformer', 'a', 'b', '--term', '1')
    assert found['student'] == found['teacher'] == 'decode_head.conv_seg'
    assert -1 < found['distilled'] < 1
    assert found == run(project, 'segformer', 'a', 'b', '--term', '1')
    assert found != run(project, 'segformer', 'a', 'b', '--term', '1', '--seed', '1')


def test_label_assisted_teacher_sees_labels(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    look_up = LabelCodes.forward

    def spy(self: LabelCodes, labels: torch.Tensor) -> torch.Tensor:
        shown.append(labels)
        return look_up(self, labels)

    monkeypatch.setattr(LabelCodes, 'forward', spy)
    run(project, 'assisted', 'a', 'b')
    assert len(shown) == 2
    assert all(set(labels.unique().tolist()) == {0, 1, 2} for labels in shown)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--term', '3'], '3 entries in model.distill, --term asks for number 3'),
        (['--term', '2'], r'taps auxiliary_head.conv_seg .* predicts nothing'),
        (['--cfg-options', 'model.distill.0.student=backbone.cnov'], 'backbone.conv'),
        (['--cfg-options', 'model.distill.0.teacher_name=other'], "no teacher named 'other'"),
        (['--cfg-options', 'custom_hooks=[]'], 'which name a teacher'),
    ],
)
def test_wrong_use_ends_in_one_line(
    project: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_TRACEBACK', '1')
    with pytest.raises(ValueError, match=message):
        run(project, 'a', 'a', 'b', *options)
