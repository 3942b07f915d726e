"""Hook that owns one EMA teacher."""

from __future__ import annotations

from typing import Any, Literal

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from dts.methods.base import TeacherStudent
from dts.registry import HOOKS
from dts.schedules import ema_horizon
from dts.teachers.bank import TeacherBank
from dts.teachers.ema import EmaMotion


@HOOKS.register_module()
class EmaTeacherHook(Hook):
    """Build the teacher from the live student and move it after every optimizer step.

    It runs before the logger and the checkpoint hook, so that what they write is current.

    Args:
        decay: share of the old teacher kept by an update, in [0, 1]; reached over a ramp, see
            ``dts.schedules.ema_decay``.
        buffers: ``copy`` or ``average``, see ``dts.teachers.ema.EmaMotion``.
    """

    priority = 'ABOVE_NORMAL'

    def __init__(self, decay: float = 0.99, buffers: Literal['copy', 'average'] = 'copy') -> None:
        self.decay = decay
        self.buffers = buffers
        self._saved: dict[str, Any] | None = None

    def before_train(self, runner: Runner) -> None:
        """Build the teacher: after initialisation, loading, device move and DDP.

        Args:
            runner: the runner.
        """
        method = unwrap(runner)
        self.bank = TeacherBank.from_student(method.student, ['teacher'])
        if self._saved is not None:
            self.bank.load_state_dict(self._saved)
        teacher = self.bank['teacher']
        self.motion = EmaMotion(teacher, method.student, self.decay, self.buffers)
        method.attach_teachers(self.bank)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the teacher when the optimizer stepped.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
            outputs: not used.
        """
        if not runner.optim_wrapper.should_update():
            return
        decay = self.motion.update()
        hub = runner.message_hub
        hub.update_scalar('train/teacher.decay', decay)
        hub.update_scalar('train/teacher.horizon', ema_horizon(self.bank.updates, self.decay))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep the teacher of a resumed run; a run that only loads weights starts from its student.

        Args:
            runner: the runner.
            checkpoint: what was read.

        Raises:
            ValueError: if a run is resumed from a file without teachers.
        """
        if not runner._resume:
            return
        teachers = checkpoint.get('dts', {}).get('teachers')
        if teachers is None:
            raise ValueError(
                'cannot resume: the checkpoint holds no teacher (best_* and published files hold '
                'the evaluated model only). Resume from an iter_*.pth file, or start a new run '
                'from these weights with --cfg-options load_from=FILE'
            )
        self._saved = teachers


def unwrap(runner: Runner) -> TeacherStudent:
    """Return the method of a runner without its DDP wrapper.

    Args:
        runner: the runner.

    Returns:
        The method.

    Raises:
        TypeError: if the model of the config is not a method of ``dts``.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if not isinstance(model, TeacherStudent):
        raise TypeError(
            f'a teacher hook needs a method of dts as model, got {type(model).__name__}: wrap the '
            "segmentor, for example model=dict(type='dts.MeanTeacher', student=<segmentor>)"
        )
    return model
