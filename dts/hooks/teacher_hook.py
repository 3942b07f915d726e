"""What all hooks that own teachers share: when they act, and how teachers survive a resume."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from dts.methods.base import TeacherStudent
from dts.teachers.bank import TeacherBank
from dts.teachers.ema import EmaMotion
from dts.teachers.teacher import Teacher


class TeacherHook(Hook):
    """Build teachers from the live student and move them after every optimizer step.

    It runs before the logger and the checkpoint hook, so that what they write is current.
    """

    priority = 'ABOVE_NORMAL'
    follows = 'student'  # name of the student that the teachers are built from and follow
    student: nn.Module
    bank: TeacherBank
    motions: list[EmaMotion]
    _saved: dict[str, Any] | None = None

    @abstractmethod
    def move(self, runner: Runner) -> None:
        """Move the teachers; called after every optimizer step.

        Args:
            runner: the runner.
        """

    def build_bank(
        self, runner: Runner, names: list[str], teacher_type: type[Teacher] = Teacher
    ) -> TeacherStudent:
        """Build teachers that equal the student, or the saved ones of a resumed run.

        Call it in ``before_train``: after initialisation, loading, device move and DDP.

        Args:
            runner: the runner.
            names: names of the teachers; those that follow ``student_2`` become ``teacher_2``, ...
            teacher_type: their class.

        Returns:
            The method, to which the bank is attached.
        """
        method = unwrap(runner)
        self.student = method.students[self.follows]
        names = [name.replace('teacher', self.name) for name in names]
        self.bank = TeacherBank.from_student(self.student, names, teacher_type)
        if self._saved is not None:
            self.bank.load_state_dict(self._saved)
        method.attach_teachers(self.bank, self.follows)
        return method

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the teachers when the optimizer stepped.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
            outputs: not used.
        """
        if runner.optim_wrapper.should_update():
            self.move(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Tell the iteration to weights that follow a schedule.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
        """
        self.bank.iteration = batch_idx

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep the teachers of a resumed run; a run that only loads weights starts afresh.

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
        own = {n: t for n, t in teachers['teachers'].items() if n.partition('.')[0] == self.name}
        active = teachers['active'].replace('teacher', self.name)
        self._saved = {'active': active, 'teachers': own}

    @property
    def name(self) -> str:
        """Name of the teacher, or what the names of several begin with."""
        return self.follows.replace('student', 'teacher')


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
