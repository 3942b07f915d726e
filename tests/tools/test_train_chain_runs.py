"""Whole chains on generated images: killed in either stage, and an ensemble of generations."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

TOOLS = Path(__file__).parents[2] / 'tools'
sys.path.append(str(TOOLS))

import train_chain
from chain import stages
from chain.plan import plan
from chain.spec import load_chain
from forked import ForkedScript

from runs import in_child, make_images, run_config, small_segformer

pytestmark = pytest.mark.slow

NUM_STEPS = 12
LAD = """
stages:
  - {name: teacher, config: first.py}
  - {name: student, config: second.py, teachers: {teacher: teacher}}
"""
BORN_AGAIN = """
stages:
  - {name: generation-0, config: plain.py}
  - {name: generation, config: taught.py, teachers: {teacher: previous}, seed: 1, repeat: 1}
ensemble: [generation-0, generation-1]
"""
# ``tools/train.py`` that dies after step S of the stage N when the environment has KILL=N:S.
TRAIN = """
import os, runpy, sys
sys.path.insert(0, {tests!r})
import dts.all
from mmengine.runner import Runner
from runs import KillHook
name, _, step = os.environ.get('KILL', '').partition(':')
build = Runner.from_cfg
def from_cfg(cfg):
    runner = build(cfg)
    if name and cfg.work_dir.endswith(f'/{{name}}'):
        runner.register_hook(KillHook(int(step)))
    return runner
Runner.from_cfg = from_cfg
runpy.run_path({script!r}, run_name='__main__')
"""


def write_config(root: Path, name: str, model: dict[str, Any], hooks: list, scored: str) -> None:
    """Write the config of a run on labelled images, checkpoints after 5, 10 and 12 steps."""
    loader = dict(batch_size=2, sampler=dict(batch=dict(labeled=2, unlabeled=0)))
    config = run_config(root, root / name, train_dataloader=loader)
    config.model, config.custom_hooks = model, hooks
    config.test_dataloader, config.test_evaluator = config.val_dataloader, config.val_evaluator
    config.test_cfg = dict(type='dts.ModelsTestLoop', models=[scored])
    config.val_dataloader = config.val_evaluator = config.val_cfg = None
    config.train_cfg = dict(type='dts.TrainLoop', max_iters=NUM_STEPS)
    config.default_hooks.checkpoint.update(interval=5)
    config.final_test = True
    config.dump(root / f'{name}.py')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with images, both chains and their configs, and the training program."""
    make_images(tmp_path)
    student = small_segformer()
    oracle = small_segformer()
    oracle.type, oracle.codes = 'dts.LabelAssistedEncoderDecoder', dict(type='dts.LabelCodes')
    distilled = dict(
        type='dts.Distillation', student=student, distill=[dict(loss=dict(type='dts.LogitKD'))]
    )
    files = dict(config='set by the chain', checkpoint='set by the chain')
    assisted = dict(type='dts.LabelAssistedTeacherHook', **files)
    frozen = dict(type='dts.FrozenTeacherHook', teachers=dict(teacher=files))
    lad = dict(type='dts.LabelAssistedTeacher', student=oracle)
    plain = dict(type='dts.Supervised', student=student)
    write_config(tmp_path, 'first', lad, [], 'teacher_with_labels')
    write_config(tmp_path, 'second', distilled, [assisted], 'student')
    write_config(tmp_path, 'plain', plain, [], 'student')
    write_config(tmp_path, 'taught', distilled, [frozen], 'student')
    (tmp_path / 'lad.yml').write_text(LAD)
    (tmp_path / 'born_again.yml').write_text(BORN_AGAIN)
    tests, script = str(Path(__file__).parents[1]), str(TOOLS / 'train.py')
    (tmp_path / 'train.py').write_text(TRAIN.format(tests=tests, script=script))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setattr(stages, 'start_child', ForkedScript)
    return tmp_path


def run(chain: str, work_dir: str) -> int:
    """Run a chain in a process of its own; exit code."""
    arguments = [f'{chain}.yml', '--work-dir', work_dir]
    return in_child(train_chain.main, arguments, Path('train.py'), timeout=900)


def last_state(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / f'iter_{NUM_STEPS}.pth', weights_only=True)['state_dict']


def lines_of(folder: Path) -> str:
    return (folder / 'train.log').read_text()


def test_a_chain_killed_in_both_stages_ends_with_the_same_student(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run('lad', 'straight') == 0
    for stage, step in (('teacher', 7), ('student', 11)):
        monkeypatch.setenv('KILL', f'{stage}:{step}')
        assert run('lad', 'killed') == 1
    monkeypatch.delenv('KILL')
    assert run('lad', 'killed') == 0

    for stage, file in (('teacher', 'iter_5.pth'), ('student', 'iter_10.pth')):
        assert f'resuming from killed/{stage}/{file}' in lines_of(folder / f'killed/{stage}')
        expected = last_state(folder / f'straight/{stage}')
        actual = last_state(folder / f'killed/{stage}')
        assert expected.keys() == actual.keys()
        for name, tensor in expected.items():
            assert torch.equal(actual[name], tensor), f'{stage} {name}'
        scores = [
            json.loads((folder / f'{chain}/{stage}/test.json').read_text())
            for chain in ('straight', 'killed')
        ]
        assert scores[0] == scores[1]
    saved = torch.load(folder / f'killed/student/iter_{NUM_STEPS}.pth', weights_only=True)
    origin = saved['dts']['teachers']['frozen']['teacher']
    assert origin['checkpoint'] == f'killed/teacher/iter_{NUM_STEPS}.pth'

    log = lines_of(folder / 'killed/student')
    assert run('lad', 'killed') == 0
    assert lines_of(folder / 'killed/student') == log


def test_generations_and_their_ensemble(folder: Path) -> None:
    assert run('born_again', 'chain') == 0
    scores = json.loads((folder / 'chain/ensemble/test.json').read_text())
    assert {key.partition('/')[0] for key in scores} == {
        'ensemble',
        'generation-0',
        'generation-1',
    }
    for name in ('generation-0', 'generation-1'):
        alone = json.loads((folder / f'chain/{name}/test.json').read_text())
        found = {
            key.removeprefix(f'{name}/'): value
            for key, value in scores.items()
            if key.startswith(f'{name}/')
        }
        assert found == {key.removeprefix('student/'): value for key, value in alone.items()}
    one, other = (last_state(folder / f'chain/generation-{index}') for index in (0, 1))
    assert not torch.equal(one['decode_head.conv_seg.weight'], other['decode_head.conv_seg.weight'])

    # The config beside a stage is complete: the run can be repeated from it.
    chain = load_chain(folder / 'born_again.yml')
    for stage in plan(chain, Path('chain')):
        written = Config.fromfile(stage.config_file, format_python_code=False)
        assert written.to_dict() == stage.config.to_dict()

    written_at = (folder / 'chain/ensemble/test.json').stat().st_mtime_ns
    assert run('born_again', 'chain') == 0
    assert (folder / 'chain/ensemble/test.json').stat().st_mtime_ns == written_at
    other_order = BORN_AGAIN.replace('[generation-0, generation-1]', '[generation-1, generation-0]')
    (folder / 'born_again.yml').write_text(other_order)
    assert run('born_again', 'chain') == 0
    assert (folder / 'chain/ensemble.old0/test.json').stat().st_mtime_ns == written_at
    again = json.loads((folder / 'chain/ensemble/test.json').read_text())
    assert again == pytest.approx(scores)
