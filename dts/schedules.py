"""Pure functions from a step count to a number: EMA decay, its horizon, loss-weight ramps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Points = tuple[tuple[int, float], ...]  # (step, value), in order of steps


def ema_decay(num_updates: int, decay: float) -> float:
    """Return the share of the old teacher that the next EMA update keeps.

    The ramp makes the teacher the plain mean of the students seen so far until the mean is as long
    as the horizon of ``decay``; the first update (``num_updates == 0``) copies the student, so
    initial weights never enter the mean.

    Source: Tarvainen and Valpola, NeurIPS 2017; ramp min(1 - 1/(n+1), d) as in DACS and DAFormer.

    Args:
        num_updates: updates that this teacher has received so far, n >= 0.
        decay: upper bound d in [0, 1].

    Returns:
        min(1 - 1/(n + 1), d).
    """
    return min(1.0 - 1.0 / (num_updates + 1), decay)


def ema_horizon(num_updates: int, decay: float) -> float:
    """Return over how many recent students the teacher averages, in optimizer steps.

    Args:
        num_updates: updates received so far, n >= 0.
        decay: upper bound d in [0, 1].

    Returns:
        min(n, 1/(1 - d)); the number of updates while the mean is still plain, infinity-safe for
        ``decay == 1``.
    """
    if decay >= 1.0:
        return float(num_updates)
    return min(float(num_updates), 1.0 / (1.0 - decay))


def linear_ramp(step: int, num_steps: int) -> float:
    """Return a weight that rises linearly from 0 to 1.

    Args:
        step: optimizer steps done, >= 0.
        num_steps: length of the ramp; 0 switches it off.

    Returns:
        min(1, step / num_steps), or 1 without a ramp.
    """
    return 1.0 if num_steps == 0 else min(1.0, step / num_steps)


def piecewise_linear(step: int, points: Points) -> float:
    """Return a value on a line through points, constant before the first and after the last.

    Two points at one step make a jump, which has happened at that step.

    Args:
        step: iterations done, >= 0.
        points: (step, value) in order of steps, at least one.

    Returns:
        The value.
    """
    before = [point for point in points if point[0] <= step]
    after = [point for point in points if point[0] > step]
    if not before:
        return after[0][1]
    if not after:
        return before[-1][1]
    (start, low), (end, high) = before[-1], after[0]
    return low + (high - low) * (step - start) / (end - start)


def schedule_points(config: float | Mapping[str, Any]) -> Points:
    """Return the points of a weight schedule for ``piecewise_linear``.

    Args:
        config: a number, which is constant; ``dict(type='linear', start=0.0, end=3.0, iters=2000,
            begin=0)``, which goes from ``start`` to ``end`` in ``iters`` iterations from iteration
            ``begin`` on (warm-up or decay); or ``dict(type='piecewise', points=[(0, 0.0), (2000,
            3.0), ...])``, in which two points at one step are a jump: ``[(5000, 3.0), (5000,
            0.0)]`` stops at 5000.

    Returns:
        At least one point.

    Raises:
        ValueError: if it is none of these, or steps are not in order.
    """
    if isinstance(config, int | float):
        return ((0, float(config)),)
    options = dict(config) if isinstance(config, Mapping) else {}
    kind = options.pop('type', None)
    if kind == 'linear' and options.keys() | {'begin'} == {'start', 'end', 'iters', 'begin'}:
        begin, iters = options.get('begin', 0), options['iters']
        points = [(begin, options['start']), (begin + iters, options['end'])]
    elif kind == 'piecewise' and options.keys() == {'points'}:
        points = options['points']
    else:
        raise ValueError(
            "a schedule is a number, dict(type='linear', start=..., end=..., iters=..., begin=0) "
            f"or dict(type='piecewise', points=[(step, value), ...]), got {config!r}"
        )
    steps = [step for step, _ in points]
    if not steps or steps != sorted(steps) or steps[0] < 0:
        raise ValueError(f'steps of a schedule must be >= 0 and in order, got {config!r}')
    return tuple((int(step), float(value)) for step, value in points)
