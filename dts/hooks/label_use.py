"""Hook that tells when a label-assisted teacher does without its labels, or without its image."""

from __future__ import annotations

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dts.registry import HOOKS

# Points of mIoU; a teacher that reads its labels is 20 and more above itself without.
MIN_GAIN = 5.0


@HOOKS.register_module()
class LabelUseHook(Hook):
    """Warn after a validation when a part of the teacher's input makes no difference.

    A teacher that scores the same without its labels is an ordinary network of the student's size,
    and distilling it is no label-assisted distillation. It happens where codes are drawn anew for
    every image and training is short: the network learns to leave them out before it learns to read
    them. One that scores the same without the image copies its labels, and a student learns from it
    what it learns from them. It happens where codes say which class a pixel has (``one_hot``,
    ``fixed_ramp``).
    """

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Compare both scores.

        Args:
            runner: the runner.
            metrics: scores; an input that was not scored is not judged.
        """
        scores = metrics or {}
        with_labels = scores.get('teacher_with_labels/mIoU', math.inf)
        zeroed = scores.get('teacher_zeroed/mIoU', -math.inf)
        blank = scores.get('teacher_blank_image/mIoU', -math.inf)
        if with_labels - blank < MIN_GAIN:
            runner.logger.warning(
                f'the label-assisted teacher has {with_labels:.1f} mIoU with image and labels and '
                f'{blank:.1f} with labels alone: it copies them, and has nothing to tell of the '
                "image. Set model.student.codes.family='gaussian' or 'permuted_ramp', whose codes "
                'do not say which class a pixel has'
            )
        if with_labels - zeroed >= MIN_GAIN:
            return
        runner.logger.warning(
            f'the label-assisted teacher has {with_labels:.1f} mIoU with labels and {zeroed:.1f} '
            'without: it has not learned to read them, and a student would learn from it what it '
            "learns from an ordinary network. Train it longer, or set model.student.codes.family='"
            "one_hot', the easiest codes to read, which a network may come to copy: score "
            "teacher_blank_image too (and set codes=dict(type='dts.LabelCodes', family='one_hot') "
            "of dts.LabelAssistedTeacherHook in the student's stage)"
        )
