"""One entry of ``distill`` in a config: two taps, an adapter, a loss and a weight."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from dts.distill.mask import MASK_RULES, MaskRule, valid_at
from dts.distill.taps import LOGITS, Tap
from dts.registry import MODELS
from dts.schedules import Points, piecewise_linear, schedule_points
from dts.typing import ConfigType


class DistillTerm(nn.Module):
    """A loss between a map of the student and one of a teacher, with what it trains besides.

    Args:
        student: path of the student's tap.
        teacher: path of the teacher's tap.
        loss: config of a loss of ``dts.distill.losses``, or a built one.
        student_index: which output of the student's tap, see ``dts.distill.taps.Tap``.
        teacher_index: which output of the teacher's.
        teacher_name: the teacher; None for the active one.
        adapter: config of an adapter of ``dts.distill.adapters``; None compares maps as they are.
        weight: a number >= 0, or a schedule over iterations, see ``dts.schedules.schedule_points``.
        mask: which positions count, see ``dts.distill.mask.valid_at``.
        ignore_index: label of pixels that are left out.

    Raises:
        ValueError: if an argument is unknown, missing or out of range.
    """

    def __init__(
        self,
        loss: ConfigType | nn.Module,
        student: str = LOGITS,
        teacher: str = LOGITS,
        *,
        student_index: int | None = None,
        teacher_index: int | None = None,
        teacher_name: str | None = None,
        adapter: ConfigType | None = None,
        weight: float | ConfigType = 1.0,
        mask: MaskRule = 'nearest',
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        if mask not in MASK_RULES:
            raise ValueError(f'mask must be one of {MASK_RULES}, got {mask!r}')
        self.student_tap = Tap(student, student_index)
        self.teacher_tap = Tap(teacher, teacher_index)
        self.teacher_name = teacher_name
        self.points: Points = schedule_points(weight)
        if any(value < 0 for _, value in self.points):
            raise ValueError(f'weight must not be negative, got {weight!r}')
        self.mask = mask
        self.ignore_index = ignore_index
        self.loss = loss if isinstance(loss, nn.Module) else MODELS.build(loss)
        self.adapter = MODELS.build(adapter) if adapter else None

    @property
    def is_scheduled(self) -> bool:
        """Whether the weight changes in the course of a run."""
        return len({value for _, value in self.points}) > 1

    def weight(self, iteration: int) -> float:
        """Return the weight of an iteration.

        Args:
            iteration: iterations done, >= 0.
        """
        return piecewise_linear(iteration, self.points)

    def forward(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, without its weight.

        Args:
            student: map of the student, (B, C_S, h_S, w_S).
            teacher: map of the teacher, (B, C_T, h_T, w_T).
            labels: (B, H, W) int64; they say which positions count.

        Returns:
            Scalar.
        """
        teacher = teacher.detach()
        if self.adapter is not None:
            student, teacher = self.adapter(student, teacher)
        valid = valid_at(labels, student.shape[-2:], self.mask, self.ignore_index)  # (B, h, w)
        return compare(self.loss, student, teacher, valid, labels)

    def untouched(self, like: Tensor) -> Tensor:
        """Return 0, connected to every weight of the term: what a skipped term contributes.

        DDP waits for the gradient of every weight in every step.

        Args:
            like: a loss, for device and type.
        """
        zero = like.new_zeros(())
        return zero + sum(0.0 * parameter.sum() for parameter in self.parameters())


def compare(
    loss: nn.Module, student: Tensor, teacher: Tensor, valid: Tensor, labels: Tensor
) -> Tensor:
    """Return a distillation loss, whether it asks for labels or not.

    Args:
        loss: a loss of ``dts.distill.losses``.
        student: (B, C, h, w).
        teacher: (B, C, h, w).
        valid: (B, h, w) bool, True = counts.
        labels: (B, H, W) int64, given to a loss with ``needs_labels``.

    Returns:
        Scalar.
    """
    extra = (labels,) if getattr(loss, 'needs_labels', False) else ()
    value: Tensor = loss(student, teacher, valid, *extra)
    return value


def build_loss(config: ConfigType, num_classes: int, ignore_index: int, where: str) -> nn.Module:
    """Build a distillation loss and compare what it says of the labels with the run.

    Args:
        config: of a loss of ``dts.distill.losses``.
        num_classes: K of the student.
        ignore_index: label of pixels that are left out.
        where: its key in the config, for errors.

    Raises:
        ValueError: if it expects other classes, or another label of ignored pixels.
    """
    loss: nn.Module = MODELS.build(config)
    of_run = {'num_classes': num_classes, 'ignore_index': ignore_index}
    for name, value in of_run.items():
        if getattr(loss, name, value) != value:
            raise ValueError(
                f'{where} has {name}={getattr(loss, name)}, the '
                f'{"student" if name == "num_classes" else "criterion"} {value}: '
                f'set {name}={value} in {where}'
            )
    return loss


def build_terms(
    configs: Sequence[Mapping[str, Any]], num_classes: int, ignore_index: int
) -> nn.ModuleDict:
    """Build the entries of ``distill`` that can ever weigh anything.

    An entry whose weight is 0 throughout is left out, so that it costs nothing and
    draws no initial weights.

    Args:
        configs: arguments of ``DistillTerm``, one mapping per entry.
        num_classes: K of the student.
        ignore_index: label of pixels that are left out.

    Returns:
        Position in ``configs`` -> term.

    Raises:
        ValueError: if an entry is wrong; names it.
    """
    terms = nn.ModuleDict()
    for index, config in enumerate(configs):
        where = f'distill[{index}]'
        known = list(inspect.signature(DistillTerm).parameters)[:-1]
        wrong = [key for key in config if key not in known]
        if wrong or 'loss' not in config:
            problem = f'unknown key {wrong[0]!r}' if wrong else "no 'loss'"
            raise ValueError(f'{where} has {problem}, keys are {", ".join(known)}')
        try:
            if not any(value for _, value in schedule_points(config.get('weight', 1.0))):
                continue
            loss = build_loss(config['loss'], num_classes, ignore_index, f'{where}.loss')
            term = DistillTerm(**{**config, 'loss': loss}, ignore_index=ignore_index)
        except (TypeError, KeyError, ValueError) as error:
            text = str(error)
            raise ValueError(text if text.startswith(where) else f'{where}: {text}') from error
        terms[str(index)] = term
    return terms
