"""Whose turn it is and how long the mean is, against counters that are kept step by step."""

import pytest

from dts.teachers.switching import EMA_COUNTERS, active_index, updates_of_mean


@pytest.mark.parametrize(
    ('num_teachers', 'expected'),
    [(1, '00000000000'), (2, '00011100011'), (3, '00011122200')],
)
def test_teachers_take_turns(num_teachers, expected):
    turns = [active_index(step, 3, num_teachers) for step in range(3 * 3 + 2)]
    assert ''.join(map(str, turns)) == expected


@pytest.mark.parametrize('num_teachers', [1, 2, 3])
@pytest.mark.parametrize('counter', EMA_COUNTERS)
def test_updates_equal_counters_kept_by_a_loop(num_teachers, counter):
    shift = 4
    own = [0] * num_teachers
    started = set()
    for step in range(40):
        index = active_index(step, shift, num_teachers)
        if counter == 'per_shift' and step % shift == 0:
            own[index] = 0
        of_run = step if index in started else 0  # the first update copies the student
        expected = of_run if counter == 'global' else own[index]
        assert updates_of_mean(step, shift, num_teachers, counter) == expected
        own[index] += 1
        started.add(index)
