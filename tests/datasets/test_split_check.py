"""Every fault of a list gives its one message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dts.datasets import split_check
from dts.datasets.split_ids import fingerprint
from dts.datasets.split_lists import SplitList


def make_list(*ids: str, blank_lines: tuple[int, ...] = ()) -> SplitList:
    """Return a list as read from a text file."""
    return SplitList(Path('a.txt'), 'ids', ids, ids, blank_lines)


@pytest.mark.parametrize(
    ('split', 'faults'),
    [
        (make_list('a', 'b'), []),
        (make_list(), ['the list is empty']),
        (make_list('a', blank_lines=(2, 9)), ['blank lines: 2, 9']),
        (make_list('b', 'a', 'b', 'a'), ['ids that occur more than once: a, b']),
    ],
)
def test_check_lines(split: SplitList, faults: list[str]) -> None:
    assert split_check.check_lines(split) == faults


def test_check_disjoint() -> None:
    assert split_check.check_disjoint(['a', 'b'], ['c']) == []
    assert split_check.check_disjoint(['a', 'b'], ['c', 'b']) == [
        'ids both labeled and unlabeled: b'
    ]


def test_check_complete_names_both_sides() -> None:
    assert split_check.check_complete(['a', 'b'], ['b', 'a']) == []
    assert split_check.check_complete(['a', 'x'], ['a', 'b']) == [
        'ids of the whole list in neither list: b',
        'ids that the whole list does not have: x',
    ]


def test_check_files() -> None:
    assert split_check.check_files(['a'], {'a', 'b'}, Path('img')) == []
    assert split_check.check_files(['c', 'a'], {'a'}, Path('img')) == ['no file in img for: c']


def test_check_size() -> None:
    assert split_check.check_size(['a', 'b'], 2) == []
    assert split_check.check_size(['a', 'b'], 3) == ['2 labeled ids, expected 3']


def test_check_nested_compares_neighbors_in_size() -> None:
    lists = {'1_4': ['a', 'b', 'c', 'd'], '1_16': ['a'], '1_8': ['a', 'b']}
    assert split_check.check_nested(lists) == []
    lists['1_8'] = ['b', 'x', 'y']
    assert split_check.check_nested(lists) == [
        '1_8 does not hold 1 of the 1 ids of 1_16',
        '1_4 does not hold 2 of the 3 ids of 1_8',
    ]


def test_shorten() -> None:
    assert split_check.shorten('abc') == 'a, b, c'
    assert split_check.shorten('abcde') == 'a, b, c and 2 more'


def test_known_lists_are_found_by_fingerprint_in_any_order(tmp_path: Path) -> None:
    table = tmp_path / 'known.json'
    entries = [
        {'name': name, 'size': 2, 'sha256': fingerprint(ids)}
        for name, ids in (('blended_2', ['a', 'b']), ('priority_2', ['a', 'c']))
    ]
    table.write_text(json.dumps({'lists': entries}))
    known = split_check.load_known_lists(table)
    assert split_check.check_name(['b', 'a'], 'blended_2', known) == []
    assert split_check.check_name(['c', 'a'], 'blended_2', known) == [
        'its ids are not those of blended_2 but of priority_2'
    ]
    assert split_check.check_name(['d'], 'blended_2', known) == [
        'its ids are not those of blended_2 but unknown'
    ]


def test_without_a_fingerprint_only_other_known_lists_are_refused() -> None:
    known = {fingerprint(['a', 'c']): 'priority_2'}
    assert split_check.check_name(['a', 'b'], 'blended_2', known) == []
    assert split_check.check_name(['c', 'a'], 'blended_2', known) == [
        'its ids are not those of blended_2 but of priority_2'
    ]
    assert split_check.note_unverified('priority_2', known) == []
    assert split_check.note_unverified('blended_2', known) == [
        'not verified: no fingerprint of blended_2 is known'
    ]


def test_one_list_under_two_names_is_refused(tmp_path: Path) -> None:
    table = tmp_path / 'known.json'
    entries = [{'name': name, 'size': 1, 'sha256': fingerprint(['a'])} for name in ('x', 'y')]
    table.write_text(json.dumps({'lists': entries}))
    with pytest.raises(ValueError, match='x and y are one list'):
        split_check.load_known_lists(table)
