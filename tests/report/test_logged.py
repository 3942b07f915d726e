"""Curves of runs that were killed, resumed and cut off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dts.report.logged import networks_of, read_logged, split_key


def write(folder: Path, stamp: str, *lines: dict | str) -> None:
    file = folder / stamp / 'vis_data/scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text('\n'.join(x if isinstance(x, str) else json.dumps(x) for x in lines))


def test_a_resumed_part_replaces_what_it_repeats_and_keeps_the_rest(tmp_path):
    write(
        tmp_path,
        '20260101_000000',
        dict(lr=1, loss=5.0, step=10),
        {'student/mIoU': 1.0, 'step': 10},
        dict(lr=1, loss=4.0, step=20),
        {'student/mIoU': 1.5, 'step': 20},
        dict(lr=1, loss=3.0, step=30),
        {'student/mIoU': 2.0, 'step': 30},
    )
    write(tmp_path, '20260101_010000', dict(lr=1, loss=4.5, step=20))
    logged = read_logged(tmp_path)
    assert logged.num_parts == 2
    assert logged.train['loss'] == {10: 5.0, 20: 4.5}
    assert logged.val == {'student/mIoU': {10: 1.0}}
    assert logged.last_step == 20


def test_torn_lines_are_counted_and_values_that_are_not_finite_left_out(tmp_path):
    write(
        tmp_path,
        '20260101_000000',
        dict(lr=1, loss=float('nan'), grad=float('inf'), ok=1.0, step=10),
        '[1, 2]',
        '{"loss": 3.0}',
        '{"lr": 1, "loss": 2.0, "ste',
    )
    logged = read_logged(tmp_path)
    assert logged.num_torn == 3
    assert logged.train == {'lr': {10: 1.0}, 'ok': {10: 1.0}}


def test_validation_has_no_times_and_stock_metrics_are_the_students(tmp_path):
    write(tmp_path, '20260101_000000', dict(mIoU=3.0, aAcc=5.0, time=1.0, data_time=1.0, step=7))
    logged = read_logged(tmp_path)
    assert logged.val == {'student/mIoU': {7: 3.0}, 'student/aAcc': {7: 5.0}}
    assert logged.train == {}
    assert logged.last_validation() == (7, {'student/mIoU': 3.0, 'student/aAcc': 5.0})


def test_a_run_without_log_is_empty(tmp_path):
    logged = read_logged(tmp_path)
    assert (logged.num_parts, logged.last_step, logged.last_validation()) == (0, None, None)


@pytest.mark.parametrize(
    ('key', 'parts'),
    [
        ('student/mIoU', ('student', 'mIoU')),
        ('source/teacher.0/IoU.car', ('source/teacher.0', 'IoU.car')),
        ('student/IoU.bus/tram', ('student', 'IoU.bus/tram')),
    ],
)
def test_keys_are_split_before_the_metric(key, parts):
    assert split_key(key) == parts


def test_networks_are_those_with_a_miou():
    keys = {'student/mIoU': 1, 'student/aAcc': 1, 'teacher/mIoU': 1, 'x/aAcc': 1}
    assert networks_of(keys) == ['student', 'teacher']
