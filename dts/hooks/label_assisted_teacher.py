"""Hook that owns the teacher of label-assisted distillation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from mmengine.runner import Runner
from mmseg.models.segmentors import EncoderDecoder

from dts.hooks.frozen_teacher import FrozenTeacherHook
from dts.hooks.teacher_hook import unwrap
from dts.label_assisted.codes import check_ignored
from dts.label_assisted.teacher import FrozenLabelAssistedTeacher
from dts.registry import HOOKS
from dts.teachers.frozen import FrozenTeacher, build_frozen_teacher
from dts.typing import ConfigType

NAME = 'teacher'
RELEASED_CODES = {'type': 'dts.LabelCodes', 'family': 'fixed_ramp', 'pixel_sigma': 0.035}


@HOOKS.register_module()
class LabelAssistedTeacherHook(FrozenTeacherHook):
    """A teacher that ``dts.LabelAssistedTeacher`` trained, named ``teacher``, frozen.

    It sees what the student sees and a code of the labels, made after normalisation, augmentation
    and padding. The student stays an ordinary segmentor of three channels; the second stage of
    label-assisted distillation is ``dts.Distillation`` with this hook and one term::

        distill=[dict(loss=dict(type='dts.ChannelWiseKD', temperature=4.0), weight=3.0)]

    Source: Qiu et al., ECCV 2024; skyshoumeng/Label_Assisted_Distillation (codes, weight).
    Deviation: the student starts from ImageNet and keeps the weight 0.4 of auxiliary heads; the
    released one starts from a trained student (``load_from``) and has 0.02 (``loss_weight`` in
    ``auxiliary_head.loss_decode``). It has no fourth input, which there is always 0.

    Args:
        config: config file of the first stage, or config of its segmentor.
        checkpoint: its last ``iter_*`` file; read with ``weights_only``, and wholly.
        codes: config of the codes that the teacher is shown, without ``num_classes``; None for the
            released ones, which are not random: ``fixed_ramp`` with ``pixel_sigma`` 0.035.
        teachers: more teachers, which see no labels, as in ``dts.FrozenTeacherHook``; a term of
            ``distill`` asks one by its ``teacher_name``.

    Raises:
        ValueError: if one of them is called ``teacher`` too, or has other keys.
    """

    def __init__(
        self,
        config: str | ConfigType,
        checkpoint: str,
        codes: ConfigType | None = None,
        teachers: Mapping[str, ConfigType] | None = None,
    ) -> None:
        more = dict(teachers or {})
        if NAME in more:
            raise ValueError(
                f'the label-assisted teacher is called {NAME!r}: give the one in teachers of '
                'LabelAssistedTeacherHook another name'
            )
        super().__init__({NAME: {'config': config, 'checkpoint': checkpoint}, **more})
        self.codes: ConfigType = codes or RELEASED_CODES

    def before_train(self, runner: Runner) -> None:
        """Build and attach the teachers as ``dts.FrozenTeacherHook`` does.

        Args:
            runner: the runner.

        Raises:
            ValueError: if the run was started with other teachers, or the student's criterion takes
                another label for ignored than the teacher's codes.
        """
        super().before_train(runner)
        codes: Any = self.bank[NAME].segmentor.codes
        check_ignored(
            codes.ignore_index, unwrap(runner).ignore_index, 'the teacher that sees labels'
        )

    def build(self, name: str, entry: ConfigType, student: EncoderDecoder) -> FrozenTeacher:
        """Build a teacher as a frozen one is, and give the one that sees labels its own input.

        Args:
            name: its name.
            entry: its ``config`` and ``checkpoint``.
            student: the segmentor that it teaches.

        Returns:
            The teacher, on the student's device.

        Raises:
            ValueError: if ``teacher`` sees no labels, or other codes than the hook's.
        """
        if name != NAME:
            return super().build(name, entry, student)
        with_codes = partial(FrozenLabelAssistedTeacher, codes=self.codes)
        return build_frozen_teacher(name, student=student, **entry, teacher_type=with_codes)
