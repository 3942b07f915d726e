"""What an evaluation writes: the table and strict JSON."""

from __future__ import annotations

import json
from pathlib import Path

from dts.evaluation.report import append_metrics, class_table, write_metrics

METRICS = {
    'student/mIoU': 25.0,
    'student/mIoU.13': 50.0,
    'student/IoU.road': 50.0,
    'student/IoU.sky': float('nan'),
    'teacher/mIoU': 100 / 3,
    'teacher/mIoU.13': 60.0,
    'teacher/IoU.road': 60.0,
    'teacher/IoU.sky': 0.0,
}


def test_table_has_a_row_per_class_and_a_column_per_network() -> None:
    expected = """\
+---------+-------------+-------------+
| class   | student IoU | teacher IoU |
+---------+-------------+-------------+
| road    |       50.00 |       60.00 |
| sky     |           - |        0.00 |
+---------+-------------+-------------+
| mIoU    |       25.00 |       33.33 |
| mIoU.13 |       50.00 |       60.00 |
+---------+-------------+-------------+"""
    assert class_table(METRICS, ['student', 'teacher']) == expected


def test_no_table_without_classes() -> None:
    assert class_table({'student/mIoU': 1.0}, ['student']) is None


def test_files_are_strict_json(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    write_metrics(METRICS, tmp_path / 'a/test.json')
    append_metrics({'x': float('nan')}, 8, tmp_path / 'a/lines.jsonl')
    append_metrics({'x': 2}, 16, tmp_path / 'a/lines.jsonl')
    scores = json.loads((tmp_path / 'a/test.json').read_text(), parse_constant=refuse)
    assert scores == {**METRICS, 'student/IoU.sky': None}
    lines = (tmp_path / 'a/lines.jsonl').read_text().splitlines()
    assert [json.loads(line, parse_constant=refuse) for line in lines] == [
        {'step': 8, 'x': None},
        {'step': 16, 'x': 2.0},
    ]
    assert sorted(path.name for path in (tmp_path / 'a').iterdir()) == ['lines.jsonl', 'test.json']
