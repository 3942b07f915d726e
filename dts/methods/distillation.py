"""Knowledge distillation: the student learns labels, and maps of trained teachers.

    x, y     images and labels                       inputs['labeled']
    x'       the images as teachers see them         inputs[teacher_branch]
    s_i, t_i maps of student and teacher             record(...), tapped by ``distill[i]``
    A_i      adapter to one shape                    DistillTerm.adapter
    d_i      loss between maps                       DistillTerm.loss
    w_i(t)   weight at iteration t                   DistillTerm.weight

Source: Hinton et al., 2015 (arXiv 1503.02531); every loss names its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.distill.taps import Tap, check_tap, record, run_tapped
from dts.distill.terms import DistillTerm, build_terms
from dts.methods.base import TeacherStudent, stack_labels
from dts.registry import MODELS
from dts.segmentor import all_logits
from dts.teachers.bank import TeacherBank
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class Distillation(TeacherStudent):
    """Learn from labels and from what teachers answer at tapped modules.

        L = sum over heads of CE(S(x), y) + sum_i w_i(t) d_i(A_i(s_i), t_i)

    Teachers may have another architecture than the student; ``dts.FrozenTeacherHook`` builds them.
    They look at the images of the student, or at another view of them (``teacher_branch``), and one
    that sees labels at these too. Several teachers are entries with a ``teacher_name`` each and
    weights of their own. Adapters and other weights of a term train with the student and are in
    ``iter_*`` checkpoints beside it, for a resume; what is published is the student. While a weight
    is 0 its term does nothing, and a teacher that no term asks is not run: with all weights at 0
    this is ``dts.Supervised``.

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of labels.
        distill: the terms, each ``dict(student='decode_head.conv_seg', student_index=None,
            teacher=..., teacher_index=None, teacher_name=None, adapter=None, loss=..., weight=1.0,
            mask='nearest')``, see ``dts.distill.terms.DistillTerm``.
        teacher_branch: the view of the labelled images that teachers look at: ``labeled``, as the
            student, or another one that ``dts.Branches`` makes of them, with the same crop and
            flip: ``branches=dict(labeled=[strong, ...], labeled_weak=[...])``.

    Raises:
        ValueError: if a term is wrong, or taps a module that the student has not.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        distill: Sequence[ConfigType],
        teacher_branch: str = 'labeled',
    ) -> None:
        super().__init__(student, criterion)
        self.teacher_branch = teacher_branch
        self.terms = build_terms(distill, self.student.num_classes, self.ignore_index)
        for index, term in self._terms():
            check_tap(self.student, term.student_tap, f'student of distill[{index}]')

    def attach_teachers(self, bank: TeacherBank, student: str = 'student') -> None:
        """Let a hook hand over the teachers, and look whether they have what is tapped.

        Args:
            bank: the teachers.
            student: as in ``TeacherStudent``.

        Raises:
            ValueError: if another hook did so before, a term asks for a teacher that is not there,
                or taps a module that it has not.
        """
        super().attach_teachers(bank, student)
        for index, term in self._terms():
            name = term.teacher_name or bank.active
            if name not in bank.names:
                raise ValueError(
                    f'distill[{index}].teacher_name is {name!r}, the teachers are {bank.names}'
                )
            check_tap(bank[name].segmentor, term.teacher_tap, f'teacher of distill[{index}]')

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W), and ``teacher_branch`` of the same size.
            data_samples: ``labeled``, with labels.

        Returns:
            ``sup.<head>.loss_ce``, and for every term ``distill.<i>.loss_kd`` and its share of the
            total, ``distill.<i>.stat_share``.
        """
        images, labels = inputs['labeled'], stack_labels(data_samples['labeled'])
        weights = {index: self._weight(index, term) for index, term in self._terms()}
        active = {index: term for index, term in self._terms() if weights[index] > 0}

        maps_teacher = self._ask_teachers(self._teacher_view(inputs), labels, active)
        with record(self.student, [term.student_tap for term in active.values()]) as maps_student:
            heads = all_logits(self.student, images)

        losses = self.score_heads(heads, labels, 'sup')
        reference = heads[0].logits
        for index, term in self._terms():
            if index in active:
                maps = maps_student[term.student_tap], maps_teacher[index]
                try:
                    value = term(*maps, labels)
                except ValueError as error:  # sizes and channels that do not fit
                    raise ValueError(f'distill[{index}]: {error}') from error
                losses[f'distill.{index}.loss_kd'] = weights[index] * value
            else:
                losses[f'distill.{index}.loss_kd'] = term.untouched(reference)
        return losses | self._shares(losses)

    def _teacher_view(self, inputs: BranchInputs) -> Tensor:
        """Return the images that teachers look at."""
        view, own = inputs.get(self.teacher_branch), inputs['labeled']
        if view is None:
            raise ValueError(
                f'model.teacher_branch is {self.teacher_branch!r}, the pipelines make '
                f'{list(inputs)}: add it to branches of dts.Branches in the labelled pipeline'
            )
        if view.shape != own.shape:
            raise ValueError(
                f'{self.teacher_branch} has the shape {tuple(view.shape)}, labeled '
                f'{tuple(own.shape)}: make both of the same images, after crop and flip'
            )
        return view

    @torch.no_grad()
    def _ask_teachers(
        self, images: Tensor, labels: Tensor, terms: dict[str, DistillTerm]
    ) -> dict[str, Tensor]:
        """Return the teacher's map of every term; each teacher runs once, or not at all."""
        taps: dict[str, list[Tap]] = {}
        asked = {i: term.teacher_name or self.teachers.active for i, term in terms.items()}
        for index, term in terms.items():
            taps.setdefault(asked[index], []).append(term.teacher_tap)
        maps: dict[str, dict[Tap, Tensor]] = {}
        for name, wanted in taps.items():
            teacher = self.teachers[name]
            segmentor: Any = teacher.segmentor
            assert isinstance(segmentor, EncoderDecoder)
            with record(segmentor, wanted) as maps[name]:
                run_tapped(segmentor, teacher.inputs(images, labels), wanted)
        return {index: maps[asked[index]][term.teacher_tap] for index, term in terms.items()}

    def _terms(self) -> list[tuple[str, DistillTerm]]:
        """Return position in the config -> term, in order."""
        return list(self.terms.items())  # type: ignore[arg-type]

    def _weight(self, index: str, term: DistillTerm) -> float:
        """Return the weight of a term in this iteration."""
        if not term.is_scheduled:
            return term.weight(0)
        iteration = self.teachers.iteration
        if iteration is None:
            raise RuntimeError(
                f'distill[{index}].weight follows a schedule, but no hook counts the iterations: '
                "take dict(type='dts.FrozenTeacherHook', ...) or a constant weight"
            )
        return term.weight(iteration)

    def _shares(self, losses: Losses) -> Losses:
        """Return the share of every term of the total; 0 of a total of 0."""
        total = torch.stack([loss.detach() for loss in losses.values()]).sum()
        smallest = torch.finfo(total.dtype).tiny
        return {
            f'distill.{index}.stat_share': losses[f'distill.{index}.loss_kd'].detach()
            / total.clamp_min(smallest)
            for index, _ in self._terms()
        }
