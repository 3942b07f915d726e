"""Hook that tells when a label-assisted teacher has not learned to read its labels."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dts.registry import HOOKS

# Points of mIoU; a teacher that reads its labels is 20 and more above itself without.
MIN_GAIN = 5.0


@HOOKS.register_module()
class LabelUseHook(Hook):
    """Warn after a validation when the teacher scores without its labels what it does with them.

    Such a teacher is an ordinary network of the student's size, and distilling it is no
    label-assisted distillation. It happens where codes are drawn anew for every image and training
    is short: the network learns to leave them out before it learns to read them.
    """

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Compare both scores.

        Args:
            runner: the runner.
            metrics: scores; those of one input alone are not judged.
        """
        scores = metrics or {}
        with_labels = scores.get('teacher_with_labels/mIoU')
        zeroed = scores.get('teacher_zeroed/mIoU')
        if with_labels is None or zeroed is None or with_labels - zeroed >= MIN_GAIN:
            return
        runner.logger.warning(
            f'the label-assisted teacher has {with_labels:.1f} mIoU with labels and {zeroed:.1f} '
            'without: it has not learned to read them, and a student would learn from it what it '
            "learns from an ordinary network. Train it longer, or set model.student.codes.family='"
            "one_hot', the easiest codes to read (then also codes=dict(type='dts.LabelCodes', "
            "family='one_hot') of dts.LabelAssistedTeacherHook in the student's stage)"
        )
