"""Hook that owns one EMA teacher."""

from __future__ import annotations

from mmengine.runner import Runner

from dts.hooks.teacher_hook import TeacherHook
from dts.registry import HOOKS
from dts.schedules import ema_horizon
from dts.teachers.ema import BufferMotion, EmaMotion


@HOOKS.register_module()
class EmaTeacherHook(TeacherHook):
    """One teacher, named ``teacher``: the moving average of the student.

    Args:
        decay: share of the old teacher kept by an update, in [0, 1]; reached over a ramp, see
            ``dts.schedules.ema_decay``.
        buffers: ``copy`` or ``average``, see ``dts.teachers.ema.EmaMotion``.
        first_count: n of the first update. 0 copies the student after the first step (DACS); 1
            averages it with the initial weights (DAFormer, HRDA, MIC).

    Raises:
        ValueError: if ``first_count`` is negative.
    """

    def __init__(
        self, decay: float = 0.99, buffers: BufferMotion = 'copy', first_count: int = 0
    ) -> None:
        if first_count < 0:
            raise ValueError(f'first_count must be at least 0, got {first_count}')
        self.decay = decay
        self.buffers = buffers
        self.first_count = first_count

    def before_train(self, runner: Runner) -> None:
        """Build the teacher.

        Args:
            runner: the runner.
        """
        method = self.build_bank(runner, ['teacher'])
        self.motions = [EmaMotion(self.bank['teacher'], method.student, self.decay, self.buffers)]

    def move(self, runner: Runner) -> None:
        """Move the teacher and log how long its mean is.

        Args:
            runner: the runner.
        """
        decay = self.motions[0].update(self.bank.updates + self.first_count)
        hub = runner.message_hub
        hub.update_scalar('train/teacher.decay', decay)
        hub.update_scalar('train/teacher.horizon', ema_horizon(self.bank.updates, self.decay))
