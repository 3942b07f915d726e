"""Hook that owns one EMA teacher."""

from __future__ import annotations

from mmengine.runner import Runner

from dts.hooks.average_buffers import average_buffers
from dts.hooks.teacher_hook import TeacherHook
from dts.registry import HOOKS
from dts.schedules import ema_horizon
from dts.teachers.ema import BufferMotion, EmaMotion
from dts.teachers.teacher import Teacher
from dts.teachers.train_mode import BatchStatisticsTeacher


@HOOKS.register_module()
class EmaTeacherHook(TeacherHook):
    """One teacher, named ``teacher``: the moving average of the student.

    Args:
        decay: share of the old teacher kept by an update, in [0, 1]; reached over a ramp, see
            ``dts.schedules.ema_decay``.
        buffers: see ``dts.teachers.ema.EmaMotion``; None is ``own`` with ``batch_statistics``,
            ``copy`` without.
        first_count: n of the first update. 0 copies the student after the first step (DACS); 1
            averages it with the initial weights (DAFormer, HRDA, MIC).
        batch_statistics: whether the teacher labels with the BatchNorm statistics of its batch and
            keeps running statistics of its own (parity with the DAFormer line), see
            ``dts.teachers.train_mode.BatchStatisticsTeacher``; False labels in eval mode.

    Raises:
        ValueError: if ``first_count`` is negative, or ``buffers`` contradicts
            ``batch_statistics``.
    """

    def __init__(
        self,
        decay: float = 0.99,
        buffers: BufferMotion | None = None,
        first_count: int = 0,
        *,
        batch_statistics: bool = False,
    ) -> None:
        if first_count < 0:
            raise ValueError(f'first_count must be at least 0, got {first_count}')
        if buffers is not None and (buffers == 'own') != batch_statistics:
            raise ValueError(
                f"buffers='own' and batch_statistics=True belong together, got buffers={buffers!r} "
                f'and batch_statistics={batch_statistics}: statistics of a teacher are its own if, '
                'and only if, it labels with those of its batch. Leave buffers out'
            )
        self.decay = decay
        self.buffers: BufferMotion = buffers or ('own' if batch_statistics else 'copy')
        self.first_count = first_count
        self.teacher_type = BatchStatisticsTeacher if batch_statistics else Teacher

    def before_train(self, runner: Runner) -> None:
        """Build the teacher.

        Args:
            runner: the runner.
        """
        self.build_bank(runner, ['teacher'], self.teacher_type)
        self.motions = [EmaMotion(self.bank[self.name], self.student, self.decay, self.buffers)]

    def move(self, runner: Runner) -> None:
        """Move the teacher and log how long its mean is.

        Args:
            runner: the runner.
        """
        decay = self.motions[0].update(self.bank.updates + self.first_count)
        if self.buffers == 'own':
            average_buffers(self.bank[self.name])  # every rank labels images of its own
        hub = runner.message_hub
        hub.update_scalar('train/teacher.decay', decay)
        hub.update_scalar('train/teacher.horizon', ema_horizon(self.bank.updates, self.decay))
