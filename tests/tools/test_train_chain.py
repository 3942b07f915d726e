"""``train_chain.py``: file and plan by hand, the driver with a training program of our own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from socket import socket
from typing import IO

import pytest
import torch
from forked import ForkedScript

from dts.child_process import locked
from dts.config import student_config

TOOLS = Path(__file__).parents[2] / 'tools'
sys.path.append(str(TOOLS))

import train_chain
from chain import stages
from chain.plan import StageRun, plan
from chain.progress import Progress, describe_progress, describe_scores, read_progress
from chain.spec import Stage, load_chain

CHAIN = """
stages:
  - {name: big, config: plain.py, options: {model: {width: 9}}}
  - {name: middle, config: taught.py, teachers: {teacher: big}, seed: 5}
  - {name: small, config: taught.py, teachers: {teacher: middle}, options: {other.level: 2}}
"""
PLAIN = """
# A run of 4 steps.
root = '{{$DTS_DATA_ROOT:data}}'
model = dict(width=1)
train_cfg = dict(max_iters=4)
randomness = dict(seed=0, deterministic=True)
final_test = True
"""
TAUGHT = """
_base_ = ['plain.py']
custom_hooks = [
    dict(type='Other'),
    dict(type='dts.FrozenTeacherHook', teachers=dict(
        teacher=dict(config='c.py', checkpoint='c.pth'),
        other=dict(config='o.py', checkpoint='o.pth'))),
]
other = dict(level=1)
"""
# Leaves the files of a finished run. Kills itself in the stage that ``KILL`` names, unless that has
# an earlier checkpoint to go on from; fails in that of ``FAIL``; sleeps in that of ``SLEEP``.
TRAIN = """
import argparse, os, runpy, shutil, time
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('--work-dir', type=Path)
parser.add_argument('--resume', action='store_true')
args = parser.parse_args()
config = runpy.run_path(args.config)
for hook in config.get('custom_hooks', []):
    for teacher in hook.get('teachers', {}).values():
        assert teacher['checkpoint'] == 'o.pth' or Path(teacher['checkpoint']).is_file()
name = args.work_dir.name
print('trains', name, flush=True)
if name == os.environ.get('KILL') and not (args.work_dir / 'iter_2.pth').is_file():
    shutil.copy('whole.pth', args.work_dir / 'iter_2.pth')
    os.kill(os.getpid(), 9)
if name == os.environ.get('FAIL'):
    raise SystemExit('wrong: a value\\nright: another')
if name == os.environ.get('SLEEP'):
    time.sleep(60)
assert args.resume
shutil.copy('whole.pth', args.work_dir / 'iter_4.pth')
(args.work_dir / 'test.json').write_text('{"student/mIoU": 40.5, "student/aAcc": 1.0}')
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with a chain of three stages and a training program; the current one."""
    (tmp_path / 'chain.yml').write_text(CHAIN)
    (tmp_path / 'plain.py').write_text(PLAIN)
    (tmp_path / 'taught.py').write_text(TAUGHT)
    (tmp_path / 'train.py').write_text(TRAIN)
    torch.save({'state_dict': {}}, tmp_path / 'whole.pth')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DTS_DATA_ROOT', raising=False)
    return tmp_path


def run() -> None:
    train_chain.main(['chain.yml'], Path('train.py'))


def trained(folder: Path) -> list[str]:
    """Stages that the program was started for, in order of the file, with repetitions."""
    logs = [folder / f'work_dirs/chain/{name}/train.log' for name in ('big', 'middle', 'small')]
    return [line.split()[1] for log in logs if log.is_file() for line in _trains(log)]


def _trains(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if line.startswith('trains')]


def planned(folder: Path) -> list[StageRun]:
    return plan(load_chain(folder / 'chain.yml'), Path('runs'))


def test_copies_are_written_out(folder: Path) -> None:
    (folder / 'chain.yml').write_text(
        'stages:\n'
        '  - {name: first, config: plain.py}\n'
        '  - {name: next, config: taught.py, repeat: 3, seed: 7,'
        ' teachers: {teacher: previous, other: first}}\n'
        'ensemble: [first, next-3]\n'
    )
    chain = load_chain(folder / 'chain.yml')
    taught = Path('taught.py')
    assert chain.stages == (
        Stage('first', Path('plain.py')),
        Stage('next-1', taught, {'teacher': 'first', 'other': 'first'}, seed=7),
        Stage('next-2', taught, {'teacher': 'next-1', 'other': 'first'}, seed=8),
        Stage('next-3', taught, {'teacher': 'next-2', 'other': 'first'}, seed=9),
    )
    assert chain.ensemble == ('first', 'next-3')


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('name: big, ', '', r"stage 1: expected the keys.*'name'.*got \['config', 'options'\]"),
        ('name: big', 'nam: big', r'stage 1: expected the keys'),
        ('seed: 5', 'sed: 5', r"stage 2 \('middle'\): expected the keys.*'seed'.*'sed'"),
        ('stages:', 'stage:', r"chain.yml: expected the keys \['stages'\]"),
        ('name: big', 'name: a/b', 'must be the name of a folder'),
        ('name: big', 'name: 1', 'must be the name of a folder'),
        ('name: small', 'name: middle', "two stages are called 'middle'"),
        ('name: small', 'name: ensemble', "no stage can be called 'ensemble'"),
        (
            'teacher: big',
            'teacher: huge',
            r"teachers.teacher is 'huge', which is no stage; .*'big'",
        ),
        ('teacher: big', 'teacher: small', r"is 'small', which is not trained before it"),
        ('teacher: big', 'teacher: middle', r"is 'middle', which is not trained before it"),
        ('options: {model', 'teachers: {t: previous}, options: {model', 'no stage is previous'),
        ('seed: 5', 'start: huge', r"start.load_from is 'huge', which is no stage; .*'big'"),
        ('seed: 5', 'start: small', r"start.load_from is 'small', which is not trained before it"),
        ('seed: 5', 'start: {a.b: middle}', r"start.a.b is 'middle', which is not trained before"),
        ('seed: 5', 'start: [big]', r"start must be a mapping, got \['big'\]"),
        ('options: {model', 'start: previous, options: {model', 'no stage is previous'),
        ('seed: 5', 'seed: high', "seed must be a natural number, got 'high'"),
        ('seed: 5', 'repeat: 0', 'repeat must be a natural number, got 0'),
        ('teachers: {teacher: big}', 'teachers: big', "teachers must be a mapping, got 'big'"),
        ('stages:', 'ensemble: [big]\nstages:', 'list of two or more of the stages'),
        ('stages:', 'ensemble: [big, huge]\nstages:', r"\['big', 'middle', 'small'\], got .*huge"),
        ('stages:', 'ensemble: [big, big]\nstages:', 'ensemble names a stage twice'),
    ],
)
def test_wrong_chain_file_is_refused(folder: Path, old: str, new: str, message: str) -> None:
    assert old in CHAIN
    (folder / 'chain.yml').write_text(CHAIN.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        load_chain(folder / 'chain.yml')


def test_missing_files_are_refused(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'no chain file at none.yml'):
        load_chain(Path('none.yml'))
    (folder / 'chain.yml').write_text(CHAIN.replace('plain.py', 'none.py'))
    with pytest.raises(FileNotFoundError, match=r"stage 1 \('big'\): no config at none.py"):
        load_chain(folder / 'chain.yml')


def test_plan_sets_options_seeds_and_teachers_and_nothing_else(folder: Path) -> None:
    big, middle, small = planned(folder)
    assert big.config.model.width == 9
    assert middle.config.model.width == 1
    assert [run.config.randomness.seed for run in (big, middle, small)] == [0, 5, 0]
    assert middle.config.randomness.deterministic
    assert small.config.other.level == 2
    other, hook = middle.config.custom_hooks
    assert other == {'type': 'Other'}
    assert hook.teachers == {
        'teacher': {'config': 'runs/big.py', 'checkpoint': 'runs/big/iter_4.pth'},
        'other': {'config': 'o.py', 'checkpoint': 'o.pth'},
    }
    assert small.config.custom_hooks[1].teachers.teacher.checkpoint == 'runs/middle/iter_4.pth'
    assert small.manifest['teachers'] == {'teacher': 'middle'}


@pytest.mark.parametrize(
    ('start', 'entry'),
    [('big', 'load_from'), ('previous', 'load_from'), ('{model.init.checkpoint: big}', 'nested')],
)
def test_stage_starts_from_the_last_checkpoint_of_an_earlier_one(
    folder: Path, start: str, entry: str
) -> None:
    before = [run.settings for run in planned(folder)]
    (folder / 'chain.yml').write_text(CHAIN.replace('seed: 5', f'seed: 5, start: {start}'))
    big, middle, small = planned(folder)
    config = middle.config
    found = config.load_from if entry == 'load_from' else config.model.init.checkpoint
    assert found == 'runs/big/iter_4.pth'
    assert middle.config.custom_hooks[1].teachers.teacher.checkpoint == 'runs/big/iter_4.pth'
    assert list(middle.manifest['start'].values()) == ['big']
    assert small.config.get('load_from') is None
    settings = [run.settings for run in (big, middle, small)]
    assert [a == b for a, b in zip(before, settings, strict=True)] == [True, False, False]
    # what a stage starts from counts, not only that it does
    (folder / 'chain.yml').write_text(
        CHAIN.replace('seed: 5', f'seed: 5, start: {start}')
        .replace('width: 9', 'width: 8')
        # the teacher is another one, whose settings stay
        .replace('teachers: {teacher: big}', 'teachers: {}')
    )
    other = planned(folder)[1].settings
    (folder / 'chain.yml').write_text(
        CHAIN.replace('seed: 5', f'seed: 5, start: {start}').replace(
            'teachers: {teacher: big}', 'teachers: {}'
        )
    )
    assert planned(folder)[1].settings != other


def test_plan_knows_the_teacher_of_label_assisted_distillation(folder: Path) -> None:
    (folder / 'taught.py').write_text(
        "_base_ = ['plain.py']\nother = dict(level=1)\n"
        "custom_hooks = [dict(type='dts.LabelAssistedTeacherHook', config='c', checkpoint='d')]\n"
    )
    hook = planned(folder)[1].config.custom_hooks[0]
    assert (hook.config, hook.checkpoint) == ('runs/big.py', 'runs/big/iter_4.pth')


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('{teacher: middle}', '{boss: middle}', r"no teacher 'boss', the hooks know \['other', 't"),
        (
            '{other.level: 2}',
            '{custom_hooks.5.a: 2}',
            "stage 'small': options cannot be set in its config",
        ),
        ('{other.level: 2}', '{train_cfg.max_iters: 0}', 'has no train_cfg.max_iters'),
        ('{other.level: 2}', '{protocol: mine}', 'mine'),
    ],
)
def test_wrong_plan_is_refused_before_the_first_stage(
    folder: Path, old: str, new: str, message: str
) -> None:
    (folder / 'chain.yml').write_text(CHAIN.replace(old, new))
    with pytest.raises(ValueError, match=message):
        run()
    assert not (folder / 'work_dirs').exists()


def test_settings_are_those_of_the_stage_and_of_its_teachers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings() -> list[str]:
        return [run.settings for run in planned(folder)]

    before = settings()
    assert len(set(before)) == 3
    (folder / 'plain.py').write_text(f'# a comment\n{PLAIN}')
    monkeypatch.setenv('DTS_DATA_ROOT', '/elsewhere')
    assert settings() == before
    assert planned(folder)[0].config.root == '/elsewhere'
    (folder / 'chain.yml').write_text(CHAIN.replace('seed: 5', 'seed: 6'))
    changed = settings()
    assert [a == b for a, b in zip(before, changed, strict=True)] == [True, False, False]
    (folder / 'chain.yml').write_text(CHAIN.replace('teacher: middle', 'other: middle'))
    changed = settings()
    assert [a == b for a, b in zip(before, changed, strict=True)] == [True, True, False]


def test_several_processes_are_started_as_by_the_launch_script(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line of a stage against what ``dist_train.sh`` calls, a stub in its place."""
    started = []

    class Started:
        def __init__(self, command: list[str], log: IO[bytes], **options: int) -> None:
            started.append((command, options))
            run_path = Path('work_dirs/chain', Path(command[command.index('--work-dir') + 1]).name)
            shutil.copy('whole.pth', run_path / 'iter_4.pth')
            (run_path / 'test.json').write_text('{}')

        def wait(self, *args: float) -> int:
            return 0

        def poll(self) -> int:
            return 0

        def kill(self) -> None:
            pass

    monkeypatch.setattr(stages, 'start_child', Started)
    monkeypatch.setenv('PORT', '29511')
    train_chain.main(['chain.yml', '--gpus', '3'])
    command, options = started[0]
    assert options == {'death_signal': signal.SIGTERM}
    assert command[0] == sys.executable

    stub = folder / 'bin/python'
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    script = [str(TOOLS / 'dist_train.sh'), 'work_dirs/chain/big.py', '3']
    output = subprocess.run(
        ['bash', *script, '--work-dir', 'work_dirs/chain/big', '--resume'],
        env={**os.environ, 'PATH': f'{stub.parent}:{os.environ["PATH"]}'},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [str(Path(word)) for word in output.stdout.split()]
    assert sorted(map(str, map(Path, command[1:]))) == sorted(expected)
    assert command[1:-5] == expected[: len(command) - 6]  # options of the launcher, then the script

    manifest = json.loads(Path('work_dirs/chain/small/stage.json').read_text())
    assert manifest['num_processes'] == 3
    assert manifest['settings'] != planned(folder)[2].settings  # another batch


def test_a_chain_file_has_places_for_values(folder: Path) -> None:
    text = '# for any ${thing}\n' + CHAIN.replace('taught.py', '${kind}.py')
    (folder / 'chain.yml').write_text(text)
    assert load_chain(Path('chain.yml'), {'kind': 'taught'}).stages[1].config == Path('taught.py')
    with pytest.raises(ValueError, match=r'chain.yml asks for --set kind=\.\.\., got none'):
        load_chain(Path('chain.yml'))
    with pytest.raises(ValueError, match=r"kind=\.\.\., got \['kind', 'size'\]"):
        load_chain(Path('chain.yml'), {'kind': 'taught', 'size': '3'})
    with pytest.raises(SystemExit):
        train_chain.main(['chain.yml', '--set', 'kind'])
    with pytest.raises(SystemExit):
        train_chain.main(['chain.yml', '--gpus', '0'])


def test_progress_and_time_left_by_hand(tmp_path: Path) -> None:
    log = tmp_path / 'train.log'
    old = 'Iter(train) [  4/4]  lr: 1  eta: 0:00:00\n'
    log.write_text(old)
    assert read_progress(log, len(old)) is None
    with log.open('a') as stream:
        stream.write('Iter(train) [ 50/800]  lr: 1  eta: 0:01:40  time: 2\nother\n')
    assert read_progress(log, len(old)) == Progress('train', 50, 800, 100)
    log.write_text('Iter(val) [ 10/101]    eta: 2 days, 1:00:05  time: 2\n')
    assert read_progress(log, 0) == Progress('val', 10, 101, 2 * 86400 + 3605)
    # 100 s for 50 steps: 2 s a step, 300 steps come later
    assert describe_progress(Progress('train', 50, 100, 100), 300) == (
        'train 50/100, 0:01:40 left, chain about 0:11:40'
    )
    assert describe_progress(Progress('train', 50, 100, 100), 0) == 'train 50/100, 0:01:40 left'
    assert describe_progress(Progress('test', 5, 9, 7), 300) == 'test 5/9, 0:00:07 left'
    assert describe_progress(None, 300) == 'starting'


def test_scores_are_told(tmp_path: Path) -> None:
    scores = {'student/mIoU': 40.123, 'student/IoU.car': 1.0, 'teacher/mIoU': None}
    (tmp_path / 'test.json').write_text(json.dumps(scores))
    assert describe_scores(tmp_path / 'test.json') == 'student/mIoU 40.12'
    assert describe_scores(tmp_path / 'none.json') == ''


@pytest.mark.slow
def test_chain_runs_in_order_and_then_does_nothing(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    run()
    assert trained(folder) == ['big', 'middle', 'small']
    assert '[3/3] small: done in 0.0 min student/mIoU 40.50' in capsys.readouterr().out
    run()
    assert trained(folder) == ['big', 'middle', 'small']
    assert '[1/3] big: finished before student/mIoU 40.50' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    'damage',
    [
        lambda run: (run / 'iter_4.pth').unlink(),
        lambda run: os.truncate(run / 'iter_4.pth', 100),
        lambda run: (run / 'test.json').unlink(),
    ],
)
def test_stage_without_its_last_files_goes_on(folder: Path, damage: Callable[[Path], None]) -> None:
    run()
    damage(folder / 'work_dirs/chain/middle')
    run()
    assert trained(folder) == ['big', 'middle', 'middle', 'small']
    assert not list((folder / 'work_dirs/chain').glob('*.old*'))


@pytest.mark.slow
def test_changed_stage_and_its_students_are_trained_anew(folder: Path) -> None:
    run()
    (folder / 'chain.yml').write_text(CHAIN.replace('seed: 5', 'seed: 6'))
    run()
    root = folder / 'work_dirs/chain'
    assert trained(folder) == ['big', 'middle', 'small']
    assert sorted(path.name for path in root.glob('*.old*')) == ['middle.old0', 'small.old0']
    assert (root / 'middle.old0/iter_4.pth').is_file()
    (folder / 'chain.yml').write_text(CHAIN.replace('seed: 5', 'seed: 7'))
    run()
    assert (root / 'middle.old1/iter_4.pth').is_file()


@pytest.mark.slow
def test_killed_stage_names_its_log_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('KILL', 'middle')
    with pytest.raises(SystemExit, match=r"stage 'middle' failed \(exit code -9\)"):
        run()
    assert trained(folder) == ['big', 'middle']
    run()
    assert trained(folder) == ['big', 'middle', 'middle', 'small']


def test_failed_stage_shows_the_end_of_its_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('FAIL', 'big')
    with pytest.raises(SystemExit) as failure:
        run()
    text = str(failure.value)
    assert "stage 'big' failed (exit code 1)" in text
    assert 'Log work_dirs/chain/big/train.log' in text
    assert text.endswith('  trains big\n  wrong: a value\n  right: another')
    assert trained(folder) == ['big']


def test_stage_that_leaves_no_checkpoint_has_failed(folder: Path) -> None:
    text = TRAIN.replace("'iter_4.pth')", "'iter_3.pth')")
    (folder / 'train.py').write_text(text)
    with pytest.raises(SystemExit, match=r"stage 'big' left no whole iter_4.pth"):
        run()


@pytest.mark.slow
def test_second_driver_is_refused(folder: Path) -> None:
    with (
        locked(Path('work_dirs/chain'), 'train_chain.py'),
        pytest.raises(ValueError, match=r'another train_chain.py is at work in work_dirs/chain'),
    ):
        run()
    run()


@pytest.mark.slow
def test_stage_ends_with_a_killed_driver(folder: Path) -> None:
    (folder / 'driver.py').write_text(
        'from pathlib import Path; import train_chain; '
        "train_chain.main(['chain.yml'], Path('train.py'))"
    )
    with (folder / 'driver.log').open('wb') as output:
        driver = ForkedScript([sys.executable, 'driver.py'], output, env={'SLEEP': 'big'})
    log = folder / 'work_dirs/chain/big/train.log'
    _wait_until(lambda: log.is_file() and 'trains big' in log.read_text())
    (child,) = Path(f'/proc/{driver.pid}/task/{driver.pid}/children').read_text().split()
    driver.kill()
    driver.wait(10)
    _wait_until(lambda: not _is_alive(child))
    run()
    assert trained(folder) == ['big', 'big', 'middle', 'small']


@pytest.mark.slow
def test_processes_of_a_stage_end_with_a_killed_driver(folder: Path) -> None:
    text = TRAIN.replace(
        "parser.add_argument('--resume'",
        "parser.add_argument('--launcher')\nparser.add_argument('--resume'",
    )
    text += '(args.work_dir / f\'rank{os.environ["RANK"]}\').write_text(str(os.getpid()))\n'
    text += "assert (args.launcher, os.environ['WORLD_SIZE']) == ('pytorch', '2')\ntime.sleep(60)\n"
    (folder / 'train.py').write_text(text)
    (folder / 'driver.py').write_text(
        'from pathlib import Path; import train_chain; '
        "train_chain.main(['chain.yml', '--gpus', '2'], Path('train.py'))"
    )
    with socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    with (folder / 'driver.log').open('wb') as output:
        driver = ForkedScript([sys.executable, 'driver.py'], output, env={'PORT': port})
    files = [folder / f'work_dirs/chain/big/rank{rank}' for rank in (0, 1)]
    _wait_until(lambda: all(file.is_file() and file.read_text() for file in files))
    pids = [file.read_text() for file in files]
    assert all(_is_alive(pid) for pid in pids)
    driver.kill()
    driver.wait(10)
    _wait_until(lambda: not any(_is_alive(pid) for pid in pids), seconds=25)


CONFIGS = TOOLS.parent / 'configs'
PUBLISHED = sorted(path.stem.partition('_')[2] for path in CONFIGS.glob('lad/lad_*-40k_*.py'))
CASES = [
    *((file, {}) for file in sorted(CONFIGS.glob('*/chain_*.yml')) if '${' not in file.read_text()),
    *((CONFIGS / 'lad/chain_published.yml', {'pair': pair}) for pair in PUBLISHED),
]


@pytest.mark.slow
@pytest.mark.parametrize(('file', 'values'), CASES)
def test_every_chain_file_can_be_planned(
    file: Path, values: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(PUBLISHED) == 25
    monkeypatch.chdir(CONFIGS.parent)
    chain = load_chain(file, values)
    runs = {run.stage.name: run for run in plan(chain, Path('runs'))}
    assert len(runs) > 1
    for run in runs.values():
        assert run.config.final_test
        assert 0 < run.config.default_hooks.checkpoint.interval < run.num_steps
        learns = run.config.model.type in ('dts.Distillation', 'dts.AssistedDualTeacher')
        assert bool(run.stage.teachers) == learns
        labels = run.config.train_dataloader.dataset.streams.labeled.ann_file
        for name in run.stage.teachers.values():  # or it would hand on labels that are hidden here
            shown = runs[name].config.train_dataloader.dataset.streams.labeled.ann_file
            assert shown == labels
    assert file.read_text().startswith('# ')


@pytest.mark.slow
def test_teacher_assistants_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIGS.parent)
    runs = plan(load_chain(Path('configs/kd/chain_takd_camvid.yml')), Path('runs'))
    students = [student_config(run.config.model) for run in runs]
    assert [student.backbone.arch for student in students] == ['lite2', 'lite1', 'lite0']
    assert [run.stage.teachers.get('teacher') for run in runs] == [None, 'teacher', 'assistant']
    lists = {run.config.train_dataloader.dataset.streams.labeled.ann_file for run in runs}
    assert lists == {'splits/all/train.txt'}


def _wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.05)


def _is_alive(pid: str) -> bool:
    """Return whether a process runs; one that waits to be collected does not."""
    status = Path(f'/proc/{pid}/status')
    try:
        return 'State:\tZ' not in status.read_text()
    except FileNotFoundError:
        return False
