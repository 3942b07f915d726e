"""Pure functions from a step count to a number: EMA decay, its horizon, loss-weight ramps."""

from __future__ import annotations


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
