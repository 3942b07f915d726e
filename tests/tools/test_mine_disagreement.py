"""Mining: order, numbers and what is read."""

from __future__ import annotations

import csv
import importlib.util
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from dts.registry import MODELS
from runs import make_images, run_config

FILE = Path(__file__).parents[2] / 'tools/analysis_tools/mine_disagreement.py'
SPEC = importlib.util.spec_from_file_location('mine_disagreement', FILE)
mining = importlib.util.module_from_spec(SPEC)
sys.modules['mine_disagreement'] = mining  # dataclasses look their module up
SPEC.loader.exec_module(mining)


def entry(image: str, disagreement: float | None, confidence: float):
    return mining.Mined(0, image, disagreement, confidence)


def test_disagreement_ranks_high_first_and_confidence_low_first():
    found = [entry('a', 0.1, 0.9), entry('b', 0.5, 0.8), entry('c', 0.5, 0.6)]
    assert [e.image for e in mining.rank(found, None)] == ['c', 'b', 'a']
    assert [e.image for e in mining.rank(found, 'confidence')] == ['c', 'b', 'a']
    single = [entry('a', None, 0.3), entry('b', None, 0.2)]
    assert [e.image for e in mining.rank(single, None)] == ['b', 'a']
    with pytest.raises(ValueError, match='--by confidence'):
        mining.rank(single, 'disagreement')


@pytest.fixture
def project(tmp_path):
    """Config, and a checkpoint whose teacher is the student with two classes swapped."""
    make_images(tmp_path)
    config = run_config(tmp_path, tmp_path / 'run')
    config.test_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    student = MODELS.build(config.model.student)
    state = student.state_dict()
    teacher = dict(state)
    for name in ('decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'):
        teacher[name] = state[name][[1, 0, 2]]
    ours = dict(
        version=1, product='student', teachers=dict(teachers=dict(teacher=dict(state_dict=teacher)))
    )
    torch.save(dict(state_dict=state, dts=ours), tmp_path / 'both.pth')
    torch.save(dict(state_dict=state), tmp_path / 'one.pth')
    Config(config.to_dict()).dump(str(tmp_path / 'config.py'))
    shutil.rmtree(tmp_path / 'masks')  # nothing may read a label
    return tmp_path


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.open()))


@pytest.mark.slow
def test_unlabelled_images_are_listed_with_their_pictures(project, capsys):
    out, shown = project / 'out/mined.csv', project / 'shown'
    command = [str(project / 'config.py'), str(project / 'both.pth'), '--out', str(out)]
    mining.main([*command, '--top', '5', '--show-dir', str(shown)])
    assert capsys.readouterr().out.splitlines()[-1] == f'{out}: 5 of 7 images'
    listed = rows(out)
    assert [row['rank'] for row in listed] == ['1', '2', '3', '4', '5']
    shares = [float(row['disagreement']) for row in listed]
    assert shares == sorted(shares, reverse=True)
    assert {Path(row['image']).stem for row in listed} < set('3456789')
    # image, student, teacher, and white exactly where they differ
    picture = cv2.imread(str(sorted(shown.iterdir())[0]))
    assert picture.shape == (40, 4 * 48 + 3 * mining.GAP, 3)
    assert np.mean(picture[:, -48:] == 255) == pytest.approx(shares[0], abs=1e-6)


@pytest.mark.slow
def test_one_network_ranks_by_confidence(project):
    out = project / 'mined.csv'
    mining.main([str(project / 'config.py'), str(project / 'one.pth'), '--out', str(out)])
    listed = rows(out)
    assert len(listed) == 7
    values = [float(row['confidence']) for row in listed]
    assert values == sorted(values)
    assert all(1 / 3 <= value <= 1 for value in values)
    assert {row['disagreement'] for row in listed} == {''}


@pytest.mark.slow
def test_another_stream_must_exist(project):
    cfg = Config.fromfile(project / 'config.py')
    with pytest.raises(ValueError, match=r"no stream named other .* \['labeled', 'unlabeled'\]"):
        mining.unlabeled_images(cfg, 'other')
    assert len(mining.unlabeled_images(cfg, 'labeled')) == 3
