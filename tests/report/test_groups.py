"""Runs over seeds: which belong together, and their means."""

from __future__ import annotations

from dts.report.groups import group_runs
from dts.report.run import read_runs


def test_runs_that_differ_in_the_seed_alone_are_one_group(make_run):
    folders = [make_run('a/seed0', seed=0, miou=50), make_run('a/seed1', seed=1, miou=54)]
    folders.append(make_run('b/seed0', seed=0, threshold=0.5, miou=60))
    groups = group_runs(read_runs(folders))
    assert [(group.name, len(group.runs)) for group in groups] == [('a', 2), ('b/seed0', 1)]
    assert groups[0].scores('student/mIoU') == {0: 50.0, 1: 54.0}
    assert groups[0].scores('student/none') == {}


def test_the_same_seed_twice_is_two_groups_with_different_names(make_run):
    folders = [make_run('one'), make_run('two')]
    groups = group_runs(read_runs(folders))
    assert [group.name for group in groups] == ['one', 'two']


def test_names_without_a_common_part_are_the_configs(make_run):
    groups = group_runs(read_runs([make_run('seed0', seed=0), make_run('seed1', seed=1)]))
    assert [group.name for group in groups] == ['toy']


def test_a_run_without_config_stands_alone(make_run):
    folders = [make_run('a', seed=0), make_run('b', seed=1)]
    for file in (folders[1] / 'toy.py', folders[1] / '20260102_100000/vis_data/config.py'):
        file.write_text('model = dict(')
    assert [len(group.runs) for group in group_runs(read_runs(folders))] == [1, 1]
