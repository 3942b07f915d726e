"""Which of several temporary teachers is on duty, and how long its mean is: functions of the step.

Axes: none; a step is one optimizer step, counted from 0 over the whole run.
"""

from __future__ import annotations

from typing import Literal, get_args

EmaCounter = Literal['per_shift', 'per_teacher', 'global']
EMA_COUNTERS: tuple[str, ...] = get_args(EmaCounter)


def active_index(step: int, shift: int, num_teachers: int) -> int:
    """Return which teacher is on duty.

    Source: Na et al., NeurIPS 2023; strict alternation: naver-ai/dual-teacher#2.

    Args:
        step: optimizer steps done, t >= 0.
        shift: steps that a teacher stays on duty, >= 1.
        num_teachers: N >= 1.

    Returns:
        floor(t / shift) mod N.
    """
    return step // shift % num_teachers


def updates_of_mean(step: int, shift: int, num_teachers: int, counter: EmaCounter) -> int:
    """Return n, the updates that the mean of the teacher on duty holds before this step's.

    Args:
        step: optimizer steps done, t >= 0.
        shift: steps that a teacher stays on duty, >= 1.
        num_teachers: N >= 1.
        counter: ``per_shift`` starts a new mean whenever a teacher comes on duty (as released: it
            forgets), ``per_teacher`` goes on where this teacher stopped (it remembers), ``global``
            counts all steps of the run, but for the very first one of every teacher: its mean
            starts with the student, and never holds weights that nobody trained.

    Returns:
        t mod shift, floor(t / (N shift)) shift + t mod shift, or t (0 in a teacher's first step).
    """
    if counter == 'per_shift':
        return step % shift
    if counter == 'per_teacher':
        return step // (num_teachers * shift) * shift + step % shift
    is_first = step == active_index(step, shift, num_teachers) * shift
    return 0 if is_first else step
