"""Ramps by hand."""

import pytest

from dts.schedules import (
    ema_decay,
    ema_horizon,
    linear_ramp,
    piecewise_linear,
    schedule_points,
)


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


def weights(config, steps):
    points = schedule_points(config)
    return [piecewise_linear(step, points) for step in steps]


def test_schedules_of_weights_by_hand():
    assert weights(2.5, (0, 7, 10**6)) == [2.5] * 3
    warm_up = dict(type='linear', start=0.0, end=3.0, iters=4)
    assert weights(warm_up, (0, 1, 2, 4, 99)) == [0.0, 0.75, 1.5, 3.0, 3.0]
    decay = dict(type='linear', start=2.0, end=0.0, iters=4, begin=10)
    assert weights(decay, (0, 10, 11, 13, 14, 99)) == [2.0, 2.0, 1.5, 0.5, 0.0, 0.0]
    stop = dict(type='piecewise', points=[(5, 3.0), (5, 0.0)])
    assert weights(stop, (0, 4, 5, 6)) == [3.0, 3.0, 0.0, 0.0]
    group = dict(type='piecewise', points=[(0, 0.0), (2, 3.0), (10, 3.0), (13, 0.0)])
    assert weights(group, (0, 1, 2, 7, 10, 11, 13, 20)) == [0.0, 1.5, 3.0, 3.0, 3.0, 2.0, 0.0, 0.0]


@pytest.mark.parametrize(
    'config',
    [
        dict(type='linear', start=0.0, end=1.0),
        dict(type='linear', start=0.0, end=1.0, iters=5, stop=3),
        dict(type='cosine', start=0.0),
        dict(points=[(0, 1.0)]),
    ],
)
def test_unknown_schedules_are_refused(config):
    with pytest.raises(ValueError, match='a schedule is a number'):
        schedule_points(config)


@pytest.mark.parametrize('points', [[], [(5, 1.0), (3, 0.0)], [(-1, 1.0)]])
def test_steps_out_of_order_are_refused(points):
    with pytest.raises(ValueError, match='must be >= 0 and in order'):
        schedule_points(dict(type='piecewise', points=points))
