"""Dual Teacher with a label-assisted teacher: each kind of image has a teacher of its own.

    x, y   labelled images and labels      inputs['labeled']
    A      assistant: a frozen teacher that sees x and a code of y (or x alone)
    S      student
    d      loss between scores

The combination is ours. Sources: ``dts.methods.dual_teacher`` (unlabelled images) and Qiu et al.,
ECCV 2024 (labelled images).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.distill.terms import build_loss, compare
from dts.methods.dual_teacher import DualTeacher
from dts.methods.host import Half, Views
from dts.ranges import check_not_negative
from dts.registry import MODELS
from dts.segmentor import HeadLogits, decode_logits
from dts.teachers.bank import TeacherBank
from dts.teachers.teacher import Teacher
from dts.typing import ConfigType, Losses


@MODELS.register_module()
class AssistedDualTeacher(DualTeacher):
    """Learn as Dual Teacher does, and on labelled images from the scores of a trained teacher.

        L = L_DualTeacher + w d(S(x), A(x, y))

    ``dts.SwitchingTeachersHook`` makes the temporary teachers, ``dts.LabelAssistedTeacherHook`` (or
    ``dts.FrozenTeacherHook`` with one teacher) the assistant, in any order.

    Deviation from ``dts.Distillation``: scores are compared at the size of the labels, where the
    student has them already.

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of all terms of Dual Teacher.
        assist: config of d, a loss of ``dts.distill.losses`` between maps of one shape.
        assist_weight: w >= 0; 0 does not ask the assistant.
        **dual_teacher: the other arguments of ``dts.DualTeacher``.

    Raises:
        ValueError: if ``assist_weight`` is negative, or an argument of Dual Teacher is wrong.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        assist: ConfigType | None = None,
        assist_weight: float = 3.0,
        **dual_teacher: object,
    ) -> None:
        super().__init__(student, criterion, **dual_teacher)  # type: ignore[arg-type]
        check_not_negative(assist_weight=assist_weight)
        assist = assist or {'type': 'dts.ChannelWiseKD', 'temperature': 4.0}
        self.assist = build_loss(assist, self.student.num_classes, self.ignore_index, 'assist')
        self.assist_weight = assist_weight

    def attach_teachers(self, bank: TeacherBank, student: str = 'student') -> None:
        """Let two hooks hand over their teachers, one after the other.

        Args:
            bank: temporary teachers, or the assistant.
            student: as in ``TeacherStudent``.

        Raises:
            ValueError: if both have a teacher of one name, or hand over the same kind.
        """
        if not self.has_teachers or bool(self.teachers.moving) == bool(bank.moving):
            super().attach_teachers(bank, student)
            return
        moving, frozen = (bank, self.teachers) if bank.moving else (self.teachers, bank)
        moving.extend(frozen)
        self._teachers = moving

    @property
    def assistant(self) -> Teacher:
        """The trained teacher.

        Raises:
            RuntimeError: if there is none, or more than one.
        """
        frozen = [name for name in self.teachers.names if name not in self.teachers.moving]
        if len(frozen) != 1:
            raise RuntimeError(
                f'AssistedDualTeacher needs one trained teacher, got {frozen}: add '
                'dts.LabelAssistedTeacherHook to custom_hooks, or assist_weight=0'
            )
        return self.teachers[frozen[0]]

    def learn_labeled(self, views: Views, heads: list[HeadLogits]) -> Losses:
        """Return the losses of the labelled images: their labels, and the assistant's scores.

        Args:
            views: the batch.
            heads: scores of the student on its labelled images, (B, K, H, W) each.

        Returns:
            ``sup.<head>.loss_ce`` and ``assist.loss_kd``.
        """
        losses = super().learn_labeled(views, heads)
        if self.assist_weight > 0:
            valid = views.labels != self.ignore_index
            scores = self._ask(views)
            term = compare(self.assist, heads[0].logits, scores, valid, views.labels)
            losses['assist.loss_kd'] = self.assist_weight * term
        return losses

    def learn(self, student: EncoderDecoder, halves: Sequence[Half]) -> Losses:
        """Refuse to be a host: two groups would learn without the assistant, unnoticed.

        Args:
            student: not used.
            halves: not used.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            'dts.AssistedDualTeacher is no host of dts.DualTeacherStudent: take dts.DualTeacher'
        )

    @torch.no_grad()
    def _ask(self, views: Views) -> Tensor:
        """Return the assistant's scores of the labelled images, (B, K, H, W)."""
        teacher = self.assistant
        return decode_logits(teacher.segmentor, teacher.inputs(views.source, views.labels))
