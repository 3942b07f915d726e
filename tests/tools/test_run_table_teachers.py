"""``run_table.py``, rows that teach each other: with a training program of our own."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/benchmarks'))

import run_table
from result_table import configs, records
from result_table.configs import complete_config
from result_table.records import Attempt, Record, read_record, read_step_time, settings_hash
from result_table.render import format_summary, render
from result_table.results import Results, Run
from result_table.runs import collect
from result_table.spec import Cell
from result_table.table_file import load_table

from dts.evaluation.statistics import Summary

# Rows in another order than that in which they can run.
TABLE = """
name: toy
title: Toy
readme: README.md
columns: [student/mIoU]
seeds: [0, 1]
rows:
  - {name: Alone, config: plain.py}
  - {name: Small, config: taught.py, teachers: {teacher: Middle}, seeds: [1]}
  - {name: Middle, config: taught.py, teachers: {teacher: Big}, options: {model: {width: 5}}}
  - {name: Big, config: plain.py, options: {model.width: 9, train_cfg.max_iters: 6}}
splits:
  - {name: near}
  - {name: far, options: {model.level: 100}}
"""
PLAIN = """
root = '{{$DTS_DATA_ROOT:data}}'
model = dict(width=1, level=0)
train_cfg = dict(max_iters=4)
"""
TAUGHT = """
_base_ = ['plain.py']
custom_hooks = [
    dict(type='Other'),
    dict(type='dts.FrozenTeacherHook', teachers=dict(
        teacher=dict(config='c.py', checkpoint='c.pth'))),
]
"""
# Scores width + level + seed / 10, and the score of its teacher, which the checkpoint holds.
TRAIN = """
import argparse, json, os, runpy
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('--work-dir', type=Path)
parser.add_argument('--seed', type=int)
parser.add_argument('--resume', action='store_true')
parser.add_argument('--cfg-options', nargs='+')
args = parser.parse_args()
options = dict(option.split('=') for option in args.cfg_options)
print('started', flush=True)
if os.environ.get('FAIL', 'none') in str(args.work_dir) and not args.resume:
    raise SystemExit(3)
config = runpy.run_path(args.config)
model = config['model']
for key in ('width', 'level'):
    model[key] = int(options.get(f'model.{key}', model[key]))
score = model['width'] + model['level'] + args.seed / 10
width = None
for hook in config.get('custom_hooks', []):
    for teacher in hook.get('teachers', {}).values():
        score += float(Path(teacher['checkpoint']).read_text())
        width = runpy.run_path(teacher['config'])['model']['width']
steps = options.get('train_cfg.max_iters', config['train_cfg']['max_iters'])
(args.work_dir / f'iter_{steps}.pth').write_text(str(score))
scores = {'student/mIoU': score, 'teacher/width': width}
(args.work_dir / 'test.json').write_text(json.dumps(scores))
"""
BIG = {'near': 9.0, 'far': 109.0}  # scores of seed 0, by hand
MIDDLE = {'near': 5.0 + 9, 'far': 105.0 + 109}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with a table, configs, a README and a training program; the current one."""
    (tmp_path / 'table.yml').write_text(TABLE)
    (tmp_path / 'plain.py').write_text(PLAIN)
    (tmp_path / 'taught.py').write_text(TAUGHT)
    (tmp_path / 'README.md').write_text('<!-- table: toy -->\n<!-- /table -->\n')
    (tmp_path / 'train.py').write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DTS_DATA_ROOT', raising=False)
    records._read_config.cache_clear()  # configs are read once per process
    configs._read_file.cache_clear()
    return tmp_path


def run(*arguments: str) -> int:
    """Run the driver with the program above."""
    options = ['--work-root', 'runs', '--results', 'results.jsonl']
    return run_table.main(['table.yml', *options, *arguments], Path('train.py'))


def rewrite(folder: Path, old: str, new: str) -> None:
    """Change the table."""
    assert old in TABLE
    (folder / 'table.yml').write_text(TABLE.replace(old, new, 1))


def cell_of(folder: Path, name: str) -> Cell:
    """Return a run by its name."""
    return next(cell for cell in load_table(folder / 'table.yml').cells() if cell.name == name)


def starts(name: str) -> int:
    """Return how often the program was started for a run."""
    log = Path('runs/toy', name, 'train.log')
    return log.read_text().count('started') if log.is_file() else 0


def test_teachers_have_split_and_seed_of_their_student(folder: Path) -> None:
    table = load_table(folder / 'table.yml')
    cells = {cell.name: cell for cell in table.cells()}
    assert len(cells) == 2 * (2 + 1 + 2 + 2)
    assert 'small/near/seed0' not in cells
    small = cells['small/far/seed1']
    assert small.teachers == {'teacher': cells['middle/far/seed1']}
    assert small.teachers['teacher'].teachers == {'teacher': cells['big/far/seed1']}
    assert not cells['big/far/seed1'].teachers
    _, row, middle, big = table.rows
    assert table.rows_before(row) == [middle, big]
    assert table.rows_before(big) == []


def test_row_with_one_seed_serves_all_seeds_and_one_with_several_its_own(folder: Path) -> None:
    text = TABLE.replace('max_iters: 6}', 'max_iters: 6}, seeds: [0]')
    (folder / 'table.yml').write_text(text)
    table = load_table(folder / 'table.yml')
    cells = {cell.name: cell for cell in table.cells()}
    assert 'big/near/seed1' not in cells
    middle = cells['middle/near/seed1']
    assert middle.teachers == {'teacher': cells['big/near/seed0']}
    assert settings_hash(middle) != settings_hash(cells['middle/near/seed0'])
    costs = {('Middle', 1): 5.0, ('Big', 0): 20.0, ('Small', 1): 2.0}
    runs = {(row, 'near', seed): _run(cost, None, 40.0) for (row, seed), cost in costs.items()}
    assert '| Small | student/mIoU | 40.00 (1 seed) | - | - | 2.0 (+ 25.0) |' in render(table, runs)

    text = text.replace('seeds: [0, 1]', 'seeds: [0, 1, 2]').replace('seeds: [0]', 'seeds: [0, 2]')
    (folder / 'table.yml').write_text(text)
    with pytest.raises(ValueError, match=r"'Big', which has not the seeds \[1\]: give it these"):
        load_table(Path('table.yml'))


START = """
  - {name: Warm, config: taught.py, teachers: {teacher: Big}, options: {load_from: none},
     start: {load_from: Alone}}
"""


@pytest.mark.slow
def test_run_starts_from_the_last_checkpoint_of_another_row(folder: Path) -> None:
    (folder / 'table.yml').write_text(TABLE.replace('\nsplits:', f'{START}splits:'))
    warm = cell_of(folder, 'warm/far/seed1')
    assert complete_config(warm, Path('runs')).load_from == 'runs/alone/far/seed1/iter_4.pth'
    before = settings_hash(warm)
    text = (folder / 'table.yml').read_text().replace('load_from: Alone', 'load_from: Middle')
    (folder / 'table.yml').write_text(text)
    assert settings_hash(cell_of(folder, 'warm/far/seed1')) != before
    table = load_table(folder / 'table.yml')
    warm_row = table.rows[-1]
    assert [row.name for row in table.rows_before(warm_row)] == ['Middle', 'Big']

    assert run('--only', 'warm/near/seed0') == 1  # what it starts from is not done
    assert run('--only', 'seed0') == 0
    command = read_record(Path('runs/toy/warm/near/seed0')).command
    assert 'runs/toy/warm/near/seed0.py' in command
    assert Config.fromfile('runs/toy/warm/near/seed0.py').load_from.endswith(
        'middle/near/seed0/iter_4.pth'
    )
    line = next(
        line
        for line in map(json.loads, Path('results.jsonl').read_text().splitlines())
        if line['settings'] == settings_hash(cell_of(folder, 'warm/near/seed0'))
    )
    assert line['start'] == {'load_from': settings_hash(cell_of(folder, 'middle/near/seed0'))}
    text = (folder / 'README.md').read_text()
    assert 'that of its teachers and of the run that it starts from.' in text


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        (
            '{teacher: Middle}',
            '{teacher: Huge}',
            r"row 'Small': teachers.teacher is 'Huge', which is no row; rows: \['Alone', 'Small'",
        ),
        (
            'seeds: [1]}',
            'start: {load_from: Huge}}',
            r"row 'Small': start.load_from is 'Huge', which is no row",
        ),
        ('seeds: [1]}', 'start: Big}', r"row 'Small': start must be a mapping, got 'Big'"),
        ('{teacher: Big}', '{teacher: Small}, seeds: [1]', 'can be the first to run: .* teaches '),
        ('{teacher: Big}', '{teacher: Middle}', "to run: 'Middle' teaches 'Middle'"),
        ('seeds: [1]', 'seeds: [2]', r"row 'Small': seeds must be some of \[0, 1\], got \[2\]"),
        ('seeds: [1]', 'seeds: []', r'seeds must be some of \[0, 1\], got \[\]'),
        ('seeds: [1]', 'seeds: 1', r'seeds must be some of \[0, 1\], got 1'),
        ('{teacher: Big}', 'Big', r"row 'Middle': teachers must be a mapping, got 'Big'"),
    ],
)
def test_wrong_teachers_are_refused(folder: Path, old: str, new: str, message: str) -> None:
    rewrite(folder, old, new)
    with pytest.raises(ValueError, match=rf'table.yml: .*{message}'):
        load_table(Path('table.yml'))


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        (
            '{teacher: Big}',
            '{boss: Big}',
            r"row 'Middle': its config has no teacher 'boss', .*knows?",
        ),
        (
            'max_iters: 6',
            'max_iters: 0',
            r"row 'Big', before others: plain.py has no train_cfg.max",
        ),
    ],
)
def test_teacher_that_cannot_be_set_is_refused_before_the_first_run(
    folder: Path, old: str, new: str, message: str
) -> None:
    rewrite(folder, old, new)
    with pytest.raises(ValueError, match=f'table.yml: {message}'):
        run()
    assert not (folder / 'runs').exists()


def test_complete_config_has_options_and_files_of_the_teacher(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_DATA_ROOT', '/elsewhere')
    config = complete_config(cell_of(folder, 'middle/far/seed1'), Path('runs'))
    assert config.model == {'width': 5, 'level': 100}
    assert config.root == '/elsewhere'
    assert config.custom_hooks[1].teachers == {
        'teacher': {
            'config': 'runs/big/far/seed1.py',
            'checkpoint': 'runs/big/far/seed1/iter_6.pth',
        }
    }
    student = complete_config(cell_of(folder, 'small/far/seed1'), Path('runs'))
    assert student.custom_hooks[1].teachers.teacher.checkpoint.endswith(
        'middle/far/seed1/iter_4.pth'
    )


def test_settings_are_those_of_the_run_and_of_all_that_taught_it(folder: Path) -> None:
    names = ('alone/near/seed1', 'small/near/seed1', 'middle/near/seed1', 'big/near/seed1')

    def settings() -> list[str]:
        return [settings_hash(cell_of(folder, name)) for name in names]

    before = settings()
    # a run without teachers is known by what it always was
    content = {
        'config': {
            'root': 'data',
            'model': {'width': 1, 'level': 0},
            'train_cfg': {'max_iters': 4},
        },
        'seed': 1,
    }
    text = json.dumps(content, sort_keys=True)
    assert before[0] == hashlib.sha256(text.encode()).hexdigest()[:16]
    rewrite(folder, 'width: 9', 'width: 8')
    assert [a == b for a, b in zip(before, settings(), strict=True)] == [True, *[False] * 3]
    rewrite(folder, 'width: 5', 'width: 4')
    assert [a == b for a, b in zip(before, settings(), strict=True)] == [True, False, False, True]
    rewrite(folder, 'Middle}', 'Big}')
    assert [a == b for a, b in zip(before, settings(), strict=True)] == [True, False, True, True]


@pytest.mark.slow
def test_students_follow_their_teachers_and_are_skipped_when_done(folder: Path) -> None:
    assert run('--jobs', '4') == 0
    runs = collect(load_table(Path('table.yml')), Results(Path('results.jsonl')))
    scores = {key: run.scores['student/mIoU'] for key, run in runs.items()}
    assert len(scores) == 14
    for split, level in (('near', 0), ('far', 100)):
        assert scores['Big', split, 0] == BIG[split]
        assert scores['Middle', split, 0] == MIDDLE[split]
        assert scores['Middle', split, 1] == pytest.approx(MIDDLE[split] + 0.2)
        assert scores['Small', split, 1] == pytest.approx(1 + level + MIDDLE[split] + 0.3)
    assert runs['Small', 'far', 1].scores['teacher/width'] == 5
    assert runs['Middle', 'far', 1].scores['teacher/width'] == 9
    assert '| Small | student/mIoU | 15.30 (1 seed) |' in (folder / 'README.md').read_text()
    command = read_record(Path('runs/toy/middle/far/seed1')).command
    assert 'runs/toy/middle/far/seed1.py' in command
    assert {'model.width=5', 'model.level=100'} <= set(command)

    assert run() == 0
    assert {starts(run.name) for run in load_table(Path('table.yml')).cells()} == {1}

    rewrite(folder, 'width: 5', 'width: 6')  # of Middle, which teaches Small
    assert run('--only', 'seed1') == 0
    assert json.loads(Path('runs/toy/small/near/seed1/test.json').read_text())[
        'student/mIoU'
    ] == pytest.approx(1 + 6 + 9 + 0.3)
    moved = sorted(path.parent.parent.name for path in Path('runs/toy').glob('*/near/*.old0'))
    assert moved == ['middle', 'small']


@pytest.mark.slow
def test_runs_whose_teacher_failed_are_told_and_not_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv('FAIL', 'big/near/seed1')
    assert run('--only', '/near/') == 1
    lines = [line.split(' ', 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [
        'FAILED, see runs/toy/big/near/seed1/train.log',
        'NOT STARTED middle/near/seed1: the run before it, big/near/seed1, is not done or has '
        'left no runs/toy/big/near/seed1/iter_6.pth',
        'NOT STARTED small/near/seed1: the run before it, middle/near/seed1, is not done or '
        'has left no runs/toy/middle/near/seed1/iter_4.pth',
    ]
    assert starts('middle/near/seed0') == starts('alone/near/seed1') == 1
    assert not Path('runs/toy/middle/near/seed1').exists()
    # again: the teacher goes on, and its students follow
    assert run('--only', '/near/') == 0
    assert starts('big/near/seed1') == 2
    assert starts('middle/near/seed0') == starts('small/near/seed1') == 1


@pytest.mark.slow
def test_student_without_its_teacher_is_told_and_not_started(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run('--only', 'middle/near/seed0') == 1
    assert 'NOT STARTED middle/near/seed0: the run before it, big/near/seed0' in (
        capsys.readouterr().out
    )
    assert run('--only', 'big/near/seed0') == 0
    Path('runs/toy/big/near/seed0/iter_6.pth').rename(folder / 'kept.pth')
    assert run('--only', 'middle/near/seed0') == 1
    assert 'or has left no runs/toy/big/near/seed0/iter_6.pth' in capsys.readouterr().out
    (folder / 'kept.pth').rename('runs/toy/big/near/seed0/iter_6.pth')
    assert run('--only', 'middle/near/seed0') == 0
    assert starts('big/near/seed0') == starts('middle/near/seed0') == 1


@pytest.mark.slow
def test_teacher_whose_files_are_gone_is_trained_once_more_for_a_student_that_waits(
    folder: Path,
) -> None:
    assert run('--only', 'big') == 0
    assert run('--only', 'middle/near/seed0') == 0
    shutil.rmtree(folder / 'runs')
    assert run('--only', '/near/seed0') == 0  # nobody waits for Big
    assert starts('big/near/seed0') == starts('middle/near/seed0') == 0
    assert starts('alone/near/seed0') == 1
    assert run('--only', '/near/seed1') == 0
    assert starts('big/near/seed1') == starts('middle/near/seed1') == 1
    assert starts('small/near/seed1') == 1


@pytest.mark.parametrize(
    ('size', 'expected', 'text'),
    [(1, 1, '45.00 (1 seed)'), (2, 2, '45.00 (2 seeds)'), (1, 2, '45.00 (1 of 2 seeds)')],
)
def test_row_with_fewer_seeds_than_the_table_tells_how_many(
    size: int, expected: int, text: str
) -> None:
    assert format_summary(Summary(45.0, None, size), expected, is_restricted=True) == text


def test_cost_has_the_minutes_of_all_teachers_and_the_time_of_a_step(folder: Path) -> None:
    rewrite(folder, 'seeds: [0, 1]', 'step_time: true\nseeds: [0, 1]')
    minutes = {'Alone': (3.0, 4.0), 'Middle': (5.0, 7.0), 'Big': (10.0, 20.0)}
    runs = {
        (row, split, seed): _run(cost, 100.0 * (1 + seed), 40.0 + seed)
        for row, costs in minutes.items()
        for split in ('near', 'far')
        for seed, cost in enumerate(costs)
    }
    runs['Small', 'near', 1] = _run(2.0, None, 50.0)
    table = load_table(folder / 'table.yml')
    lines = render(table, runs).splitlines()
    expected = [
        '| method | metric | near | far | mean | CPU min | ms/step |',
        '| Alone | student/mIoU | 40.50 +- 0.71 | 40.50 +- 0.71 | 40.50 +- 0.71 | 3.5 | 150 |',
        # seed 1 alone: 7 of Middle and 20 of Big
        '| Small | student/mIoU | 50.00 (1 seed) | - | - | 2.0 (+ 27.0) | - |',
        '| Middle | student/mIoU | 40.50 +- 0.71 | 40.50 +- 0.71 | 40.50 +- 0.71 | 6.0 (+ 15.0) '
        '| 150 |',
        '| Small | student/mIoU | +9.00 (1 seed) | - | - | - |',
    ]
    assert [line for line in expected if line not in lines] == []
    assert '13 of 14 runs.' in lines[-1]
    assert 'test included, in brackets that of its teachers. ms/step: wall-clock' in lines[-1]
    lost = {key: run for key, run in runs.items() if key[0] != 'Big'}
    assert '| 2.0 (+ -) | - |' in render(table, lost)


def test_network_that_sees_labels_is_compared_with_nothing(folder: Path) -> None:
    columns = 'columns: [teacher_with_labels/mIoU, teacher_zeroed/mIoU]'
    rewrite(folder, '{name: Middle,', f'{{name: Middle, {columns},')
    text = (
        (folder / 'table.yml').read_text().replace('seeds: [0, 1]', 'per_class: near\nseeds: [0]')
    )
    (folder / 'table.yml').write_text(text.replace('seeds: [1]', 'seeds: [0]'))
    scores = {'teacher_with_labels/mIoU': 85.0, 'teacher_zeroed/mIoU': 43.0, 'student/IoU.car': 1.0}
    runs = {('Middle', 'near', 0): _run(1.0, None, 0.0, scores)}
    lines = render(load_table(folder / 'table.yml'), runs).splitlines()
    of_middle = [line for line in lines if line.startswith('| Middle')]
    assert [line.split(' | ')[1:3] for line in of_middle] == [
        ['teacher_with_labels/mIoU', '85.00'],
        ['teacher_zeroed/mIoU', '43.00'],
    ]
    heading = next(i for i, line in enumerate(lines) if line.startswith('Teachers that see'))
    assert all(lines.index(line) > heading for line in of_middle)
    assert '| class | Alone, student | Small, student | Big, student |' in lines


def test_table_without_teachers_reads_as_it_did(folder: Path) -> None:
    text = TABLE[: TABLE.index('  - {name: Small')] + TABLE[TABLE.index('splits:') :]
    (folder / 'table.yml').write_text(text)
    lines = render(load_table(folder / 'table.yml'), {}).splitlines()
    assert lines[2] == '| method | metric | near | far | mean | CPU min |'
    assert 'CPU min: user and system time of a run, test included. Code: -.' in lines[-1]


def test_time_of_a_step_is_read_from_all_attempts(tmp_path: Path) -> None:
    assert read_step_time(tmp_path) is None
    first, second = {1: 0.5, 2: 0.7, 3: 0.9}, {3: 0.3}  # killed after step 3, resumed from step 2
    for attempt, times in (('20300101_000000', first), ('20300102_000000', second)):
        folder = tmp_path / attempt / 'vis_data'
        folder.mkdir(parents=True)
        lines = [json.dumps({'lr': 0.1, 'time': t, 'step': step}) for step, t in times.items()]
        lines.append(json.dumps({'student/mIoU': 40.0, 'time': 9.0, 'step': 3}))
        (folder / 'scalars.json').write_text('\n'.join([*lines, '{"lr": 0.1, "ti']))
    assert read_step_time(tmp_path) == pytest.approx(500.0)


def _run(
    minutes: float, step_time: float | None, score: float, more: dict[str, float] | None = None
) -> Run:
    """A finished run."""
    attempt = Attempt('2030-01-02 03:04:05', 'abc', 60 * minutes, 1.0, 0)
    record = Record('hash', ['python'], 'CPU, 2 cores', {'torch': '1.2'}, [attempt])
    return Run.of({'student/mIoU': score, **(more or {})}, record, step_time)
