"""Differences of configs."""

from __future__ import annotations

from dts.report.config_diff import config_differences


def config(**changes):
    base = dict(
        work_dir='x',
        helper=1,
        model=dict(type='A', size=(1, 2)),
        param_scheduler=[dict(type='P', end=10), dict(type='Q', end=20)],
    )
    return base | changes


def test_entries_are_compared_one_by_one_and_missing_parts_as_a_whole():
    other = config(
        work_dir='y',
        helper=2,
        model=dict(type='A', size=[1, 3], teacher=dict(a=1, b=2)),
        param_scheduler=[dict(type='P', end=10), dict(type='Q', end=30)],
    )
    found = dict(config_differences([config(), other]))
    assert found == {
        'model.size': ['[1, 2]', '[1, 3]'],
        'model.teacher': ['not set', '{"a": 1, "b": 2}'],
        'param_scheduler.1.end': ['20', '30'],
    }


def test_lists_of_different_lengths_are_compared_as_a_whole():
    other = config(param_scheduler=[dict(type='P', end=10)])
    ((path, values),) = config_differences([config(), other])
    assert path == 'param_scheduler'
    assert values[1] == '[{"type": "P", "end": 10}]'


def test_equal_configs_do_not_differ_whatever_kind_of_list_they_have():
    assert config_differences([config(), config(model=dict(type='A', size=[1, 2]))]) == []
    assert config_differences([config()]) == []
