"""``run_table.py``: statistics and text by hand, processes with a training program of our own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / 'tools/benchmarks'
sys.path.insert(0, str(BENCHMARKS))

import run_table
from forked import ForkedScript
from result_table import configs, records
from result_table.processes import option_text
from result_table.progress import estimate_seconds, read_progress
from result_table.records import Attempt, Record, read_record
from result_table.render import format_summary, render, replace_block
from result_table.results import Results, Run
from result_table.runs import collect
from result_table.table_file import load_table

from dts.evaluation.statistics import Summary

TABLE = """
name: toy
title: Toy
readme: README.md
columns: [student/mIoU]
seeds: [0, 1]
per_class: 1/8
options: {burn: 0.0}
rows:
  - {name: Base, config: base.py}
  - {name: Better, config: base.py, options: {gain: 2.5}, columns: [student/mIoU, teacher/mIoU]}
splits:
  - {name: 1/8, options: {data: {list: 'seed{seed}/labeled.txt'}}}
  - {name: 1/4, options: {data.list: all.txt, level: 10.0}}
"""

# Scores 40 + seed + level + gain. The run named by ``die`` kills itself the first time.
TRAIN = """
import argparse, json, os, time
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('--work-dir', type=Path)
parser.add_argument('--seed', type=int)
parser.add_argument('--resume', action='store_true')
parser.add_argument('--cfg-options', nargs='+')
args = parser.parse_args()
options = dict(option.split('=') for option in args.cfg_options)
assert options['final_test'] == 'True' and os.environ['OMP_NUM_THREADS'] == '1'
print('started', args.work_dir, flush=True)
end = time.process_time() + float(options['burn'])
while time.process_time() < end:
    pass
time.sleep(float(options.get('sleep', 0)))
if options.get('die') == str(args.seed) and not args.resume:
    os.kill(os.getpid(), 9)
if options.get('fail') == str(args.seed):
    raise SystemExit(3)
score = 40 + args.seed + float(options.get('level', 0)) + float(options.get('gain', 0))
text = json.dumps({'student/mIoU': score, 'student/IoU.car': score + 1, 'student/IoU.bus': None})
(args.work_dir / 'test.json').write_text(text)
"""

README = '# Results\n<!-- table: toy -->\nold\n<!-- /table -->\ntail\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with a table, a config, a README and a training program; the current one."""
    (tmp_path / 'table.yml').write_text(TABLE)
    (tmp_path / 'base.py').write_text('burn = 0.0\ndata = dict(list="")\n')
    (tmp_path / 'README.md').write_text(README)
    (tmp_path / 'train.py').write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    records._read_config.cache_clear()
    configs._read_file.cache_clear()
    return tmp_path


def run(*arguments: str) -> int:
    """Run the driver with the program above."""
    options = ['--work-root', 'runs', '--results', 'results.jsonl']
    return run_table.main(['table.yml', *options, *arguments], Path('train.py'))


def set_options(folder: Path, **options: object) -> None:
    """Change the options of the whole table."""
    text = TABLE.replace('options: {burn: 0.0}', f'options: {json.dumps({"burn": 0.0, **options})}')
    (folder / 'table.yml').write_text(text)


def finished(
    scores: Mapping[str, float | None], cpu_seconds: float = 60.0, commit: str = 'abc-dirty'
) -> Run:
    """A finished run of one attempt."""
    attempt = Attempt('2030-01-02 03:04:05', commit, cpu_seconds, 1.0, 0)
    record = Record('hash', ['python'], 'CPU, 2 cores', {'torch': '1.2'}, [attempt])
    return Run.of(scores, record, None)


@pytest.mark.parametrize(
    ('summary', 'signed', 'text'),
    [
        (Summary(45.678, 0.123, 3), False, '45.68 +- 0.12'),
        (Summary(1.5, 0.5, 2), True, '+1.50 +- 0.50 (2 of 3 seeds)'),
        (Summary(45.0, None, 1), False, '45.00 (1 of 3 seeds)'),
        (Summary(None, None, 0), True, '-'),
    ],
)
def test_summary_text(summary: Summary, signed: bool, text: str) -> None:
    assert format_summary(summary, 3, signed=signed) == text


def test_render_by_hand(folder: Path) -> None:
    scores = {
        ('Base', '1/8', 0): {
            'student/mIoU': 40.0,
            'student/IoU.car': 10.0,
            'student/IoU.bus': None,
        },
        ('Base', '1/8', 1): {'student/mIoU': 42.0, 'student/IoU.car': 20.0, 'student/IoU.bus': 5.0},
        ('Base', '1/4', 0): {'student/mIoU': 50.0},
        ('Base', '1/4', 1): {'student/mIoU': 50.0},
        ('Better', '1/8', 0): {'student/mIoU': 41.0, 'teacher/mIoU': 39.0, 'teacher/IoU.car': 1.0},
        ('Better', '1/8', 1): {'student/mIoU': 45.0, 'teacher/mIoU': None},
        ('Better', '1/4', 1): {'student/mIoU': 52.0},
    }
    runs = {
        key: finished(value, 60.0 * (1 + key[2]), 'abc' if key[2] else 'def-dirty')
        for key, value in scores.items()
    }
    text = render(load_table(folder / 'table.yml'), runs)
    expected = [
        '| method | metric | 1/8 | 1/4 | mean | CPU min |',
        '| Base | student/mIoU | 41.00 +- 1.41 | 50.00 +- 0.00 | 45.50 +- 0.71 | 1.5 |',
        '| Better | student/mIoU | 43.00 +- 2.83 | 52.00 (1 of 2 seeds) | 48.50 (1 of 2 seeds) '
        '| 1.7 |',
        '| Better | teacher/mIoU | 39.00 (1 of 2 seeds) | - | - | 1.7 |',
        '| Better | student/mIoU | +2.00 +- 1.41 | +2.00 (1 of 2 seeds) | +2.50 (1 of 2 seeds) '
        '| +2.50 |',
        '| Better | teacher/mIoU | -1.00 (1 of 2 seeds) | - | - | - |',
        '| class | Base, student | Better, student | Better, teacher |',
        '| car | 15.0 | - | 1.0 |',
        '| bus | 5.0 | - | - |',
    ]
    lines = text.splitlines()
    assert [line for line in expected if line not in lines] == []
    assert '+0.00' not in text  # the baseline is not compared with itself
    assert '7 of 8 runs' in lines[-1]
    assert 'Code: def-dirty; abc.' in lines[-1]
    assert 'torch 1.2' in lines[-1]
    assert 'CPU, 2 cores' in lines[-1]
    assert 'Date: 2030-01-02.' in lines[-1]


def test_scores_of_a_domain_are_compared_with_those_of_the_same_domain(folder: Path) -> None:
    text = (folder / 'table.yml').read_text()
    text = text.replace('columns: [student/mIoU]', 'columns: [student/mIoU, source/student/mIoU]')
    text = text.replace('teacher/mIoU]', 'source/student/mIoU]')
    (folder / 'table.yml').write_text(text.partition('  - {name: 1/4')[0])
    scores = {
        'Base': {'student/mIoU': 40.0, 'source/student/mIoU': 80.0, 'source/student/IoU.car': 70.0},
        'Better': {'student/mIoU': 45.0, 'source/student/mIoU': 79.0},
    }
    runs = {(row, '1/8', seed): finished(scores[row]) for row in scores for seed in (0, 1)}
    lines = render(load_table(folder / 'table.yml'), runs).splitlines()
    expected = [  # one split has no mean over splits
        '| method | metric | 1/8 | each seed |',
        '| Better | student/mIoU | +5.00 +- 0.00 | +5.00, +5.00 |',
        '| Better | source/student/mIoU | -1.00 +- 0.00 | -1.00, -1.00 |',
        '| class | Base, student | Base, source/student '
        '| Better, student | Better, source/student |',
        '| car | - | 70.0 | - | - |',
    ]
    assert [line for line in expected if line not in lines] == []
    assert not [line for line in lines if line.startswith('| Base') and '+0.00' in line]


def test_replace_block_leaves_the_rest_alone() -> None:
    text = 'a\n<!-- table: x -->\nold\n<!-- /table -->\n<!-- table: y -->\n<!-- /table -->\nb\n'
    start, middle = 'a\n<!-- table: x -->\nold\n<!-- /table -->\n<!-- table: y -->', '\n\nnew\n\n'
    assert replace_block(text, 'y', 'new', Path('R')) == f'{start}{middle}<!-- /table -->\nb\n'
    with pytest.raises(ValueError, match=r"R has no place for the table 'z'.*<!-- table: z -->"):
        replace_block(text, 'z', 'new', Path('R'))


def test_cells_are_all_combinations_with_their_options(folder: Path) -> None:
    cells = list(load_table(folder / 'table.yml').cells())
    assert [cell.name for cell in cells[:4]] == [
        'base/1_8/seed0',
        'better/1_8/seed0',
        'base/1_4/seed0',
        'better/1_4/seed0',
    ]
    assert len(cells) == 8
    assert cells[5].options == {'burn': 0.0, 'gain': 2.5, 'data.list': 'seed1/labeled.txt'}
    assert option_text([1, 'a', 0.5]) == '[1,a,0.5]'


@pytest.mark.parametrize(
    ('old', 'new', 'error', 'message'),
    [
        ('title: Toy', 'titel: Toy', ValueError, 'expected the keys.*title.*got.*titel'),
        ('config: base.py}', 'config: none.py}', FileNotFoundError, 'none.py, which is not there'),
        ('name: 1/4,', 'name: "1_8",', ValueError, 'different names'),
        ('name: 1/4,', 'name: 1_4,', ValueError, 'name 14 is a number: put it in quotes'),
        ('per_class: 1/8', 'per_class: 1/9', ValueError, "no split: '1/9'"),
        ('burn: 0.0', 'a: [{b: 1}]', ValueError, 'option a is a list of lists or mappings'),
    ],
)
def test_wrong_table_file_is_refused(
    folder: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    (folder / 'table.yml').write_text(TABLE.replace(old, new, 1))
    with pytest.raises(error, match=message):
        load_table(folder / 'table.yml')


def test_settings_hash_is_that_of_the_resolved_config_and_seed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_hash() -> str:
        records._read_config.cache_clear()
        return records.settings_hash(next(load_table(folder / 'table.yml').cells()))

    config = folder / 'base.py'
    config.write_text("root = '{{$DTS_DATA_ROOT:data}}'\nburn = 0.0\n")
    before = first_hash()
    cells = list(load_table(folder / 'table.yml').cells())
    assert len({records.settings_hash(cell) for cell in cells}) == 8
    config.write_text("# a comment\nroot = '{{$DTS_DATA_ROOT:data}}'\nburn = 0.0\n")
    monkeypatch.setenv('DTS_DATA_ROOT', '/elsewhere')
    assert first_hash() == before
    hashes = []
    for checkout in ('/a/dts', '/b/dts'):  # a config names a list beside it
        config.write_text(f"list = '{checkout}/configs/../data/list.txt'\nburn = 0.0\n")
        monkeypatch.setattr(records, 'REPOSITORY', Path(checkout))
        hashes.append(first_hash())
    assert hashes[0] == hashes[1] != before
    assert os.environ['DTS_DATA_ROOT'] == '/elsewhere'
    config.write_text("root = '{{$DTS_DATA_ROOT:data}}'\nburn = 0.0\nlr = 1.0\n")
    assert first_hash() != before


def test_time_left_by_hand() -> None:
    # mean 20 s: 3 to start and 15 s of the running one on 2 jobs
    assert estimate_seconds([10.0, 30.0], [5.0], num_waiting=3, jobs=2) == (60 + 15) / 2
    assert estimate_seconds([10.0], [4.0], num_waiting=0, jobs=2) == 6
    assert estimate_seconds([], [5.0], num_waiting=3, jobs=2) is None


def test_progress_is_read_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / 'train.log'
    log.write_text('Iter(train) [ 50/800] loss\nIter(train) [100/800] loss\nother\n')
    assert read_progress(log) == 'train 100/800'
    log.write_text('')
    assert read_progress(log) == '?'


@pytest.mark.slow
def test_whole_table_with_a_run_that_dies_and_one_that_fails(folder: Path) -> None:
    set_options(folder, burn=0.3, die=1)
    assert run('--jobs', '4', '--only', 'base') == 1
    dead = folder / 'runs/toy/base/1_4/seed1'
    first = read_record(dead)
    assert first.attempts[0].exit_code == -9
    assert first.attempts[0].cpu_seconds >= 0.3
    readme = (folder / 'README.md').read_text()
    assert '| Base | student/mIoU | 40.00 (1 of 2 seeds) | 50.00 (1 of 2 seeds) |' in readme
    assert readme.startswith('# Results\n')
    assert readme.endswith('<!-- /table -->\ntail\n')

    finished_at = (folder / 'runs/toy/base/1_8/seed0/test.json').stat().st_mtime_ns
    assert run('--jobs', '4', '--only', 'base') == 0
    assert (folder / 'runs/toy/base/1_8/seed0/test.json').stat().st_mtime_ns == finished_at
    second = read_record(dead)
    assert [attempt.exit_code for attempt in second.attempts] == [-9, 0]
    assert second.cpu_seconds == pytest.approx(first.cpu_seconds + second.attempts[1].cpu_seconds)
    readme = (folder / 'README.md').read_text()
    assert '| Base | student/mIoU | 40.50 +- 0.71 | 50.50 +- 0.71 | 45.50 +- 0.71 |' in readme


@pytest.mark.slow
def test_failed_run_does_not_stop_others_and_its_log_is_named(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    set_options(folder, fail=0)
    assert run('--jobs', '1', '--only', 'base/1_4') == 1
    assert (folder / 'runs/toy/base/1_4/seed1/test.json').is_file()
    last_line = capsys.readouterr().out.splitlines()[-1]
    assert last_line.endswith('FAILED, see runs/toy/base/1_4/seed0/train.log')
    assert 'started' in (folder / 'runs/toy/base/1_4/seed0/train.log').read_text()


@pytest.mark.slow
def test_run_of_other_settings_is_moved_aside_and_not_counted(folder: Path) -> None:
    assert run('--only', 'base/1_8/seed0') == 0
    set_options(folder, level=5)
    table = load_table(folder / 'table.yml')
    assert collect(table, Results(Path('results.jsonl'))) == {}
    assert run('--only', 'base/1_8/seed0') == 0
    (result,) = collect(table, Results(Path('results.jsonl'))).values()
    assert result.scores['student/mIoU'] == 45
    assert len(result.commits) == 1
    old = json.loads((folder / 'runs/toy/base/1_8/seed0.old0/test.json').read_text())
    assert old['student/mIoU'] == 40


def test_render_only_runs_nothing(folder: Path) -> None:
    assert run('--render-only') == 0
    assert not (folder / 'runs').exists()
    assert '| Base | student/mIoU | - | - | - | - |' in (folder / 'README.md').read_text()


@pytest.mark.slow
def test_results_outlive_their_runs_and_serve_other_tables(folder: Path) -> None:
    assert run('--only', 'base') == 0
    lines = (folder / 'results.jsonl').read_text().splitlines()
    assert len(lines) == 4
    assert str(folder) not in '\n'.join(lines)  # nothing of the machine's folders
    shutil.rmtree(folder / 'runs')
    other = TABLE.replace('name: toy', 'name: other').replace('name: Base', 'name: First')
    (folder / 'table.yml').write_text(other)
    (folder / 'README.md').write_text('<!-- table: other -->\n<!-- /table -->\n')
    assert run('--only', 'first') == 0
    assert list((folder / 'runs/other').iterdir()) == [folder / 'runs/other/lock']  # nothing ran
    readme = (folder / 'README.md').read_text()
    assert '| First | student/mIoU | 40.50 +- 0.71 | 50.50 +- 0.71 | 45.50 +- 0.71 |' in readme
    assert '| car | 41.5 | - | - |' in readme
    # a file of one's own makes every run again
    assert run('--only', 'first/1_8/seed1', '--results', 'mine.jsonl') == 0
    assert (folder / 'runs/other/first/1_8/seed1/test.json').is_file()
    assert len((folder / 'mine.jsonl').read_text().splitlines()) == 1


def test_result_replaces_the_one_with_the_same_settings(folder: Path) -> None:
    cells = list(load_table(folder / 'table.yml').cells())
    first, second = Results(Path('results.jsonl')), Results(Path('results.jsonl'))
    first.add(cells[0], finished({'student/mIoU': 1.0}))
    second.add(cells[1], finished({'student/mIoU': 2.0}))  # has not read the line of the first
    second.add(cells[0], finished({'student/mIoU': 3.0, 'teacher/mIoU': None}))
    known = Results(Path('results.jsonl'))
    expected = finished({'student/mIoU': 3.0, 'teacher/mIoU': None})
    assert known.get(records.settings_hash(cells[0])) == expected
    assert known.get(records.settings_hash(cells[1])) == finished({'student/mIoU': 2.0})
    assert known.get(records.settings_hash(cells[2])) is None


@pytest.mark.parametrize('line', ['{"settings": "a"', '{"settings": "a"}', '[]'])
def test_line_that_is_no_result_is_named(folder: Path, line: str) -> None:
    results = Results(Path('results.jsonl'))
    results.add(next(load_table(folder / 'table.yml').cells()), finished({}))
    with (folder / 'results.jsonl').open('a') as stream:
        stream.write(line)
    with pytest.raises(ValueError, match=r'results.jsonl, line 2 is not the result of a run'):
        run('--render-only')


def test_wrong_pattern_and_second_driver_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match='a name is for example base/1_8/seed0'):
        run('--only', 'nothing')
    with (
        run_table.locked(Path('runs/toy'), 'run_table.py'),
        pytest.raises(ValueError, match='another run_table'),
    ):
        run()


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_children_end_with_the_driver(folder: Path, number: int) -> None:
    set_options(folder, sleep=60)
    (folder / 'driver.py').write_text(
        'from pathlib import Path; import run_table; '
        "run_table.main(['table.yml', '--work-root', 'runs', '--results', 'results.jsonl', "
        "'--jobs', '2'], Path('train.py'))"
    )
    with (folder / 'driver.log').open('wb') as log:
        driver = ForkedScript([sys.executable, 'driver.py'], log)
    logs = [folder / f'runs/toy/{row}/1_8/seed0/train.log' for row in ('base', 'better')]
    _wait_until(lambda: all(log.is_file() and 'started' in log.read_text() for log in logs))
    children = _children(driver.pid)
    assert len(children) == 2
    driver.send_signal(number)
    assert driver.wait(10) != 0
    _wait_until(lambda: not any(_is_alive(child) for child in children))
    assert read_record(logs[0].parent).attempts[0].exit_code in (None, -9)


def test_commit_says_when_the_tree_has_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ('GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    assert records.git_commit() is None
    (tmp_path / 'README.md').write_text('a')
    git = ['git', '-c', 'user.name=a', '-c', 'user.email=a@b.c']
    for arguments in (['init', '-q'], ['add', '.'], ['commit', '-qm', 'a']):
        subprocess.run([*git, *arguments], check=True)
    clean = records.git_commit()
    assert len(clean) == 10
    (tmp_path / 'README.md').write_text('b')
    assert records.git_commit() == clean
    (tmp_path / 'new.py').write_text('c')
    assert records.git_commit() == f'{clean}-dirty'
    assert records.git_commit(Path('new.py')) == clean


def _wait_until(condition: object, seconds: float = 20) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    return [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def _is_alive(pid: int) -> bool:
    """Return whether a process runs, a zombie not counted."""
    stat = Path(f'/proc/{pid}/stat')
    return stat.is_file() and stat.read_text().rpartition(')')[2].split()[0] != 'Z'
