"""What the folder of a run says, whatever state it is in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dts.report.run import read_runs, short_names
from written_runs import train_line, val_line, write_part


@pytest.mark.parametrize(
    ('folders', 'names'),
    [
        (['/x/a/1_32/seed0'], ['seed0']),
        (['/x/a/1_32/seed0', '/x/b/1_32/seed1'], ['a/seed0', 'b/seed1']),
        (['/x/a', '/x/a/b'], ['a', 'b']),
    ],
)
def test_names_are_what_differs(folders, names):
    assert short_names([Path(folder) for folder in folders]) == names


def test_facts_come_from_logs_and_config(make_run):
    (run,) = read_runs([make_run('a', seed=3)])
    assert run.seed == 3
    assert run.setting('model.type') == 'dts.MeanTeacher'
    assert run.setting('model.missing.key') is None
    assert run.fact('PyTorch') == '2.13.0+cpu'
    assert run.fact('processes') == '2'
    assert run.parts[0].seconds == 600
    assert (run.reached, run.max_iters) == (100, 100)
    assert run.config_file == 'toy.py'


def test_scores_prefer_the_test_then_a_test_of_the_tool_then_a_validation(make_run):
    folder = make_run('a', miou=50.0)
    (run,) = read_runs([folder])
    assert (run.scores['student/mIoU'], run.scores_source) == (50.0, 'test set (test.json)')
    (folder / 'test.json').rename(folder / 'torn.json')
    for index, name in enumerate(('test_iter_50', 'test_iter_100')):
        (folder / name).mkdir()
        file = folder / name / 'test.json'
        file.write_text(json.dumps({'student/mIoU': 60.0 + index, 'student/IoU.car': None}))
        os.utime(file, (1000 + index, 1000 + index))
    (run,) = read_runs([folder])
    assert run.scores == {'student/mIoU': 61.0}
    assert run.scores_source == 'test set (test_iter_100/test.json)'
    for name in ('test_iter_50', 'test_iter_100'):
        (folder / name / 'test.json').write_text('{"student/mIoU": 6')
    (run,) = read_runs([folder])
    assert run.scores == {'student/mIoU': 50.0, 'teacher/mIoU': 51.0}
    assert run.scores_source == 'validation set at step 100 (no test.json)'


def test_an_unfinished_run_with_a_torn_config_is_read(tmp_path):
    write_part(tmp_path, '20260101_000000', [train_line(10, 3.0), val_line(10, 5.0)], seed=4)
    (tmp_path / '20260101_000000/vis_data/config.py').write_text('model = dict(type=')
    (tmp_path / 'iter_40.pth').touch()
    (tmp_path / 'iter_latest.pth').touch()
    (run,) = read_runs([tmp_path])
    assert run.config is None
    assert (run.seed, run.reached, run.max_iters) == (4, 40, None)


def test_other_folders_and_doubles_are_refused(tmp_path, make_run):
    with pytest.raises(FileNotFoundError, match='no folder'):
        read_runs([tmp_path / 'nowhere'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='give the work_dir of a training run'):
        read_runs([tmp_path / 'empty'])
    folder = make_run('a')
    with pytest.raises(ValueError, match='must differ'):
        read_runs([folder, folder])
