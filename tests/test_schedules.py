"""Ramps by hand."""

import pytest

from dts.schedules import ema_decay, ema_horizon, linear_ramp


@pytest.mark.parametrize(
    ('num_updates', 'expected'), [(0, 0.0), (1, 0.5), (3, 0.75), (99, 0.99), (100, 0.99)]
)
def test_decay_rises_as_a_running_mean_up_to_its_bound(num_updates, expected):
    assert ema_decay(num_updates, 0.99) == pytest.approx(expected, abs=1e-15)


def test_decay_0_copies_and_decay_1_is_a_plain_mean():
    assert ema_decay(50, 0.0) == 0.0
    assert ema_decay(3, 1.0) == 0.75


@pytest.mark.parametrize(
    ('num_updates', 'decay', 'expected'),
    [(0, 0.99, 0), (7, 0.99, 7), (100, 0.99, 100), (5000, 0.99, 100), (12, 1.0, 12)],
)
def test_horizon_is_the_number_of_averaged_students(num_updates, decay, expected):
    assert ema_horizon(num_updates, decay) == pytest.approx(expected)


def test_linear_ramp_by_hand():
    assert [linear_ramp(step, 4) for step in (0, 1, 2, 4, 9)] == [0.0, 0.25, 0.5, 1.0, 1.0]
    assert linear_ramp(0, 0) == 1.0
