"""Sizes, largest remainder, groups, nesting."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from dts.datasets.split_draw import draw_splits, group_ids, largest_remainder, parse_size


@pytest.mark.parametrize(
    ('text', 'total', 'expected'),
    [
        ('92', 10582, 92),
        ('1/16', 367, 23),  # 22.9
        ('1/32', 367, 11),  # 11.5 - 0.03
        ('1/2', 367, 184),  # 183.5, halves up
        ('1/2', 5, 3),  # 2.5, halves up and not to even
        ('3/8', 8, 3),
    ],
)
def test_parse_size(text: str, total: int, expected: int) -> None:
    assert parse_size(text, total) == expected


@pytest.mark.parametrize('text', ['0.5', '', '-3', '1/0', '1/', 'all', '1 / 2'])
def test_parse_size_refuses_other_texts(text: str) -> None:
    with pytest.raises(ValueError, match='expected a count such as 92 or a fraction'):
        parse_size(text, 100)


@pytest.mark.parametrize(('text', 'count'), [('10', 10), ('11', 11), ('0', 0), ('1/100', 0)])
def test_parse_size_leaves_labeled_and_unlabeled_images(text: str, count: int) -> None:
    message = f"size '{text}' asks for {count} labels, but the whole list has 10 images"
    with pytest.raises(ValueError, match=message):
        parse_size(text, 10)


@pytest.mark.parametrize(
    ('total', 'weights', 'expected'),
    [
        (7, {'a': 3, 'b': 3, 'c': 1}, {'a': 3, 'b': 3, 'c': 1}),
        # 1.01, 1.65, 3.34
        (6, {'a': 62, 'b': 101, 'c': 204}, {'a': 1, 'b': 2, 'c': 3}),
        # 0.5 each: the first ones in order
        (2, {'b': 1, 'a': 1, 'd': 1, 'c': 1}, {'b': 1, 'a': 1, 'd': 0, 'c': 0}),
        # 4.29, 4.29, 1.43 and 4.71, 4.71, 1.57: the Alabama paradox
        (10, {'a': 6, 'b': 6, 'c': 2}, {'a': 4, 'b': 4, 'c': 2}),
        (11, {'a': 6, 'b': 6, 'c': 2}, {'a': 5, 'b': 5, 'c': 1}),
        (0, {'a': 6, 'b': 6}, {'a': 0, 'b': 0}),
    ],
)
def test_largest_remainder_closed_forms(
    total: int, weights: dict[str, int], expected: dict[str, int]
) -> None:
    shares = largest_remainder(total, weights)
    assert shares == expected
    assert list(shares) == list(weights)


def test_floors_undo_the_alabama_paradox() -> None:
    # c keeps its 2; 9 are left for a and b, 4.5 each, the first takes the half.
    floors = {'a': 4, 'b': 4, 'c': 2}
    assert largest_remainder(11, {'a': 6, 'b': 6, 'c': 2}, floors) == {'a': 5, 'b': 4, 'c': 2}
    shares = largest_remainder(11, {'c': 2, 'a': 6, 'b': 6}, floors)
    assert list(shares.items()) == [('c', 2), ('a', 5), ('b', 4)]


def test_group_ids_by_parenthesis_by_match_and_without() -> None:
    ids = ['s2/x_3', 's1/x_2', 's1/y_1']
    assert group_ids(ids) == {'all': ['s1/x_2', 's1/y_1', 's2/x_3']}
    assert group_ids(ids, '[^/]+') == {'s1': ['s1/x_2', 's1/y_1'], 's2': ['s2/x_3']}
    assert group_ids(ids, '.*/([xy])') == {'x': ['s1/x_2', 's2/x_3'], 'y': ['s1/y_1']}


@pytest.mark.parametrize(
    ('pattern', 'message'),
    [
        ('[', 'is no regular expression'),
        ('x', "finds no group in 's1_a'"),
        ('a', "finds no group in 's1_a'"),
        ('x*', "finds no group in 's1_a'"),
        ('s1|(s2)', "finds no group in 's1_a'"),
    ],
)
def test_group_patterns_that_do_not_fit_are_named(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group_ids(['s2_b', 's1_a'], pattern)


def make_groups(seed: int) -> dict[str, list[str]]:
    """Return 2 to 7 groups of 1 to 40 ids."""
    rng = random.Random(seed)
    sizes = {f'g{number}': rng.randint(1, 40) for number in range(rng.randint(2, 7))}
    return {group: [f'{group}_{i:03d}' for i in range(size)] for group, size in sizes.items()}


@pytest.mark.parametrize('seed', range(60))
def test_splits_of_one_seed_nest_partition_and_follow_the_groups(seed: int) -> None:
    groups = make_groups(seed)
    whole = sorted(item for ids in groups.values() for item in ids)
    counts = list(range(1, len(whole)))
    splits = draw_splits(groups, counts, name='toy', seed=seed)
    for count, split in zip(counts, splits, strict=True):
        assert len(split.labeled) == count
        assert sorted(split.labeled + split.unlabeled) == whole
        assert list(split.labeled) == sorted(split.labeled)
        for group, ids in groups.items():
            drawn = len(set(ids) & set(split.labeled))
            assert drawn == split.group_counts[group]
            # Largest remainder is within 1 of proportion; a floor holds another group back by
            # less than 1 per group more.
            assert abs(drawn - count * len(ids) / len(whole)) < 2
    for small, large in pairwise(splits):
        assert set(small.labeled) < set(large.labeled)


def test_counts_may_come_in_any_order() -> None:
    groups = {'a': [f'a{i}' for i in range(6)], 'b': [f'b{i}' for i in range(6)], 'c': ['c0', 'c1']}
    up = draw_splits(groups, [10, 11], name='toy', seed=0)
    down = draw_splits(groups, [11, 10], name='toy', seed=0)
    assert up == down[::-1]
    assert up[1].group_counts == {'a': 5, 'b': 4, 'c': 2}


def test_order_is_the_documented_shuffle() -> None:
    # Reference: the rule written out.
    ids = [f'x_{i}' for i in range(9)]
    order = list(ids)
    random.Random('toy-3-x').shuffle(order)
    (split,) = draw_splits({'x': ids[::-1]}, [4], name='toy', seed=3)
    assert list(split.labeled) == sorted(order[:4])


def test_name_seed_and_group_each_change_the_draw() -> None:
    ids = [f'{i:02d}' for i in range(40)]
    draws = {
        draw_splits({group: ids}, [20], name=name, seed=seed)[0].labeled
        for group, name, seed in [('a', 'n', 0), ('a', 'n', 1), ('a', 'm', 0), ('b', 'n', 0)]
    }
    assert len(draws) == 4
