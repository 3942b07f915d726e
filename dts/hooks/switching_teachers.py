"""Hook that owns temporary teachers which take turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mmengine.runner import Runner

from dts.hooks.average_buffers import average_buffers
from dts.hooks.teacher_hook import TeacherHook
from dts.registry import HOOKS
from dts.schedules import ema_horizon, piecewise_linear, schedule_points
from dts.teachers.ema import BufferMotion, EmaMotion
from dts.teachers.switching import EMA_COUNTERS, EmaCounter, active_index, updates_of_mean
from dts.teachers.teacher import Teacher
from dts.teachers.train_mode import TrainModeTeacher


@HOOKS.register_module()
class SwitchingTeachersHook(TeacherHook):
    """Teachers ``teacher.0``, ``teacher.1``, ... that are on duty in turn.

    The teacher on duty labels and follows the student; the others rest, bitwise unchanged. Who is
    on duty and how long its mean is are functions of the optimizer step alone (see
    ``dts.teachers.switching``), so a resumed run goes on in mid shift.

    Source: Na et al., NeurIPS 2023, naver-ai/dual-teacher; defaults are our corrected mode.
    Deviation: teachers start as the student (there from random heads of their own); a shift is
    counted in optimizer steps, by default those of one pass over the labelled images.

    Args:
        num_teachers: N >= 1; with 1, a Mean Teacher whose mean starts anew at every shift.
        shift: optimizer steps on duty, or ``labeled_pass`` or ``unlabeled_pass``: those in which
            every image of that stream is seen once.
        decay: share of the old teacher kept by an update, in [0, 1]; or a schedule of it by
            optimizer steps, see ``dts.schedules.schedule_points``.
        ema_counter: ``per_shift``, ``per_teacher`` or ``global``, see
            ``dts.teachers.switching.updates_of_mean``.
        on_switch: what a teacher starts its shift with: ``keep`` its own weights, ``sync`` the
            student's.
        teacher_mode: ``eval``, or ``train`` (as released): dropout and batch statistics are active
            while the teacher labels.
        buffers: see ``dts.teachers.ema.EmaMotion``; ``own`` belongs to ``teacher_mode='train'``.

    Raises:
        ValueError: if an argument is out of range or unknown.
    """

    def __init__(
        self,
        num_teachers: int = 2,
        shift: int | Literal['labeled_pass', 'unlabeled_pass'] = 'labeled_pass',
        decay: float | Mapping[str, Any] = 0.99,
        ema_counter: EmaCounter = 'per_shift',
        on_switch: Literal['keep', 'sync'] = 'keep',
        teacher_mode: Literal['eval', 'train'] = 'eval',
        buffers: BufferMotion = 'copy',
    ) -> None:
        if not isinstance(num_teachers, int) or num_teachers < 1:
            raise ValueError(
                f'num_teachers must be a whole number, at least 1, got {num_teachers!r}'
            )
        if shift not in ('labeled_pass', 'unlabeled_pass') and not (
            isinstance(shift, int) and shift >= 1
        ):
            raise ValueError(
                "shift must be 'labeled_pass', 'unlabeled_pass' or a number of optimizer steps "
                f'>= 1, got {shift!r}'
            )
        for name, value, known in (
            ('ema_counter', ema_counter, EMA_COUNTERS),
            ('on_switch', on_switch, ('keep', 'sync')),
            ('teacher_mode', teacher_mode, ('eval', 'train')),
        ):
            if value not in known:
                raise ValueError(f'{name} must be one of {known}, got {value!r}')
        for _, share in schedule_points(decay):
            if not 0.0 <= share <= 1.0:
                raise ValueError(f'decay is the share of the old teacher, in [0, 1], got {share}')
        if buffers == 'own' and teacher_mode == 'eval':
            raise ValueError(
                "buffers='own' needs teacher_mode='train': a teacher in eval mode would keep the "
                'BatchNorm statistics of its first weights'
            )
        self.num_teachers = num_teachers
        self.shift = shift
        self.decay_points = schedule_points(decay)
        self.ema_counter = ema_counter
        self.on_switch = on_switch
        self.teacher_type = Teacher if teacher_mode == 'eval' else TrainModeTeacher
        self.buffers = buffers

    def before_train(self, runner: Runner) -> None:
        """Build the teachers and find out who is on duty.

        Args:
            runner: the runner.
        """
        names = [f'teacher.{index}' for index in range(self.num_teachers)]
        self.build_bank(runner, names, self.teacher_type)
        self.motions = [
            EmaMotion(self.bank[name], self.student, self.decay_points[0][1], self.buffers)
            for name in self.bank.moving
        ]
        self.shift_steps = self._shift_steps(runner)
        self.bank.active = self._on_duty(self.bank.updates)
        runner.logger.info(
            f'{self.num_teachers} temporary teachers, {self.shift_steps} optimizer steps per shift'
        )

    def move(self, runner: Runner) -> None:
        """Move the teacher on duty, then hand over when its shift is over.

        Args:
            runner: the runner.
        """
        step = self.bank.updates  # one teacher moves per step, so this counts the steps of the run
        motion = self.motions[self.bank.active_index]
        num_updates = updates_of_mean(step, self.shift_steps, self.num_teachers, self.ema_counter)
        motion.decay = piecewise_linear(step, self.decay_points)
        decay = motion.update(num_updates)
        if self.buffers == 'own':
            average_buffers(motion.teacher)  # every rank labels images of its own

        hub = runner.message_hub
        hub.update_scalar('train/teacher.active', self.bank.active_index)
        hub.update_scalar('train/teacher.decay', decay)
        hub.update_scalar('train/teacher.horizon', ema_horizon(num_updates + 1, motion.decay))

        if (step + 1) % self.shift_steps == 0:
            self.bank.active = self._on_duty(step + 1)
            if self.on_switch == 'sync':
                self.motions[self.bank.active_index].copy_student()

    def _on_duty(self, step: int) -> str:
        """Return the name of the teacher on duty after ``step`` optimizer steps."""
        return self.bank.names[active_index(step, self.shift_steps, self.num_teachers)]

    def _shift_steps(self, runner: Runner) -> int:
        """Return the length of a shift in optimizer steps."""
        if isinstance(self.shift, int):
            return self.shift
        sampler = runner.train_dataloader.sampler
        batches = sampler.batches_per_pass(self.shift.removesuffix('_pass'))
        return -(-batches // runner.optim_wrapper._accumulative_counts)
