"""Exponential moving average of a student's weights."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from dts.schedules import ema_decay
from dts.teachers.teacher import Teacher

BufferMotion = Literal['copy', 'average', 'own']


class EmaMotion:
    """Moves one teacher towards one student.

        teacher <- a * teacher + (1 - a) * student,   a = min(1 - 1/(n+1), decay)

    with n the updates that the mean holds so far; the first update copies the student. Integer
    buffers are always copied: averaging would truncate them.

    Source: Tarvainen and Valpola, NeurIPS 2017.
    Deviation: buffers follow the student, since a teacher in eval mode with statistics of its own
    initial weights predicts nonsense.

    Args:
        teacher: the teacher that moves.
        student: the live segmentor; its tensors keep their identity during training.
        decay: share of the old teacher that is kept, in [0, 1].
        buffers: what happens to float buffers (BatchNorm statistics): ``copy`` takes the student's,
            ``average`` treats them like weights, ``own`` leaves the teacher's alone (for a teacher
            that labels in train mode).

    Raises:
        ValueError: if ``decay`` is out of range, ``buffers`` is unknown, or the two networks differ
            in the names of their tensors.
    """

    def __init__(
        self,
        teacher: Teacher,
        student: nn.Module,
        decay: float,
        buffers: BufferMotion = 'copy',
    ) -> None:
        if not 0.0 <= decay <= 1.0:
            raise ValueError(f'decay is the share of the old teacher, in [0, 1], got {decay}')
        if buffers not in get_args(BufferMotion):
            raise ValueError(f'buffers must be one of {get_args(BufferMotion)}, got {buffers!r}')
        self.teacher = teacher
        self.decay = decay
        self._student = student
        weights = _pairs(
            dict(teacher.segmentor.named_parameters()), dict(student.named_parameters())
        )
        floats: list[tuple[Tensor, Tensor]] = []
        integers: list[tuple[Tensor, Tensor]] = []
        for pair in _pairs(dict(teacher.segmentor.named_buffers()), dict(student.named_buffers())):
            (floats if pair[0].is_floating_point() else integers).append(pair)
        averaged = weights + floats if buffers == 'average' else weights
        copied = {'copy': integers + floats, 'average': integers, 'own': []}[buffers]
        self._averaged_teacher, self._averaged_student = _unzip(averaged)
        self._copied_teacher, self._copied_student = _unzip(copied)

    @torch.no_grad()
    def update(self, num_updates: int) -> float:
        """Move the teacher once, after an optimizer step.

        Args:
            num_updates: n, the updates that the mean holds so far; 0 starts a new mean.

        Returns:
            The share of the old teacher that was kept.
        """
        decay = ema_decay(num_updates, self.decay)
        torch._foreach_lerp_(self._averaged_teacher, self._averaged_student, 1.0 - decay)
        if self._copied_teacher:
            torch._foreach_copy_(self._copied_teacher, self._copied_student)
        self.teacher.updates += 1
        return decay

    @torch.no_grad()
    def copy_student(self) -> None:
        """Make the teacher equal to the student, statistics included; counts as no update."""
        self.teacher.segmentor.load_state_dict(self._student.state_dict())


def _pairs(teacher: dict[str, Tensor], student: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Match tensors by name; tied or filtered tensors would silently shift a match by order."""
    if teacher.keys() != student.keys():
        names = sorted(teacher.keys() ^ student.keys())[:5]
        raise ValueError(f'teacher and student differ in their tensors: {names}')
    return [(teacher[name], student[name].detach()) for name in student]


def _unzip(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    """Turn a list of pairs into a pair of lists."""
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
