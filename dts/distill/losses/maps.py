"""The convention of all distillation losses: what they take, what they leave out, how they average.

A loss is called as ``loss(student, teacher, valid)``; one with ``needs_labels`` as ``loss(student,
teacher, valid, labels)``. Maps are (B, C, h, w), ``valid`` (B, h, w) says which positions count.
Others are excluded before any softmax or mean over space, whatever they hold; the teacher is
detached; half precision is scored in float32; nothing valid gives 0 with zero gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor


def prepare(
    student: Tensor, teacher: Tensor, valid: Tensor | None = None, *, any_channels: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Return both maps and the mask as every loss wants them.

    Args:
        student: (B, C, h, w).
        teacher: (B, C, h, w).
        valid: (B, h, w) bool, True = counts; None counts every position.
        any_channels: whether the maps may differ in C.

    Returns:
        Student and teacher in float32 or float64, 0 where not valid, the teacher without gradient;
        and the mask.

    Raises:
        ValueError: if one is no map, or the sizes do not agree.
    """
    check_maps(student, teacher)
    positions = (student.shape[0], *student.shape[2:])
    if any_channels and positions != (teacher.shape[0], *teacher.shape[2:]):
        raise ValueError(
            f'the map of the student is {tuple(student.shape)}, that of the teacher '
            f'{tuple(teacher.shape)}; this loss compares (B, C, h, w) of any channels and one '
            "size: add adapter=dict(type='dts.ResizeAdapter', resize='student') to the entry of "
            'distill, or tap other modules'
        )
    if not any_channels and student.shape != teacher.shape:
        raise ValueError(
            f'the map of the student is {tuple(student.shape)}, that of the teacher '
            f'{tuple(teacher.shape)}; a loss compares (B, C, h, w) of one shape: add '
            "adapter=dict(type='dts.ConvAdapter', in_channels=..., out_channels=..., "
            "resize='student') to the entry of distill, or tap other modules"
        )
    if valid is None:
        valid = torch.ones(positions, dtype=torch.bool, device=student.device)
    if valid.shape != positions:
        raise ValueError(f'valid is {tuple(valid.shape)}, maps of this size ask for {positions}')
    student, teacher = (
        full_precision(maps).masked_fill(~valid[:, None], 0.0)
        for maps in (student, teacher.detach())
    )
    return student, teacher, valid


def check_maps(student: Tensor, teacher: Tensor) -> None:
    """Refuse what is no map: tokens of a Transformer, vectors.

    Args:
        student: output of the student's tap.
        teacher: output of the teacher's.

    Raises:
        ValueError: if one has not four axes.
    """
    for role, maps in (('student', student), ('teacher', teacher)):
        if maps.ndim != 4:
            raise ValueError(
                f'the output of the {role} is {tuple(maps.shape)}, which is no map (B, C, h, w): '
                f'{role}=... of the entry of distill must name a module that returns one'
            )


def full_precision(maps: Tensor) -> Tensor:
    """Return maps in float32, or as they are when they are float64.

    Args:
        maps: any shape.
    """
    return maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean over the positions that count.

    Args:
        values: finite, of the shape of ``valid``.
        valid: bool, True = counts.

    Returns:
        Scalar: sum of the valid values / number of them; 0 with zero gradient when there is none.
    """
    return values.masked_fill(~valid, 0.0).sum() / valid.sum().clamp_min(1)


def check_temperature(temperature: float) -> float:
    """Return a temperature that softmax can divide by.

    Args:
        temperature: T > 0.

    Raises:
        ValueError: if it is not positive.
    """
    if not temperature > 0:
        raise ValueError(f'temperature must be positive, got {temperature}')
    return temperature
