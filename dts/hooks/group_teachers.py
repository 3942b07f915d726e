"""Hook that gives each group of ``dts.DualTeacherStudent`` its teacher and starts the second."""

from __future__ import annotations

from typing import Any

from mmengine.dist import is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dts.hooks.teacher_hook import TeacherHook, unwrap
from dts.methods.dual_teacher_student import DualTeacherStudent
from dts.parallel import SequentialDistributedDataParallel
from dts.registry import HOOKS
from dts.typing import ConfigType


@HOOKS.register_module()
class GroupTeachersHook(Hook):
    """Let one teacher hook per group move ``teacher`` and ``teacher_2``.

    Until ``start_iter`` the method trains the first group alone, as its host does; then the second
    student and its teacher start as copies of the first.

    Source: our reconstruction of Huo et al., ICCV 2023; when the second group starts is not public.

    Args:
        teacher: config of the host's teacher hook, made once per group.
        start_iter: iteration >= 0 before which the second group rests.

    Raises:
        ValueError: if ``start_iter`` is negative.
        TypeError: if ``teacher`` is no teacher hook.
    """

    priority = TeacherHook.priority

    def __init__(self, teacher: ConfigType, start_iter: int = 0) -> None:
        if start_iter < 0:
            raise ValueError(f'start_iter must be at least 0, got {start_iter}')
        self.start_iter = start_iter
        self.hooks = [_build(teacher, student) for student in ('student', 'student_2')]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Hand the teachers of a resumed run to the hooks of their groups.

        Args:
            runner: the runner.
            checkpoint: what was read.

        Raises:
            ValueError: if a run is resumed from a file without teachers.
        """
        for hook in self._of_groups(runner):
            hook.after_load_checkpoint(runner, checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Build the teachers of all groups.

        Args:
            runner: the runner.

        Raises:
            ValueError: if a second group that rests at first, or groups that are back-propagated
                one by one, meet a DDP wrapper that expects all in one.
        """
        if is_distributed():
            self._check_wrapper(runner)
        for hook in self._of_groups(runner):
            hook.before_train(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Start the second group when it is time.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
        """
        method = _method(runner)
        groups = len(method.students)
        method.num_active = groups if batch_idx >= self.start_iter else 1
        if groups > 1 and batch_idx == self.start_iter:
            first, second = self.hooks
            second.student.load_state_dict(first.student.state_dict())
            for ours, theirs in zip(second.bank.names, first.bank.names, strict=True):
                second.bank[ours].load_checkpoint_state(first.bank[theirs].checkpoint_state())

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the teachers of the groups that trained.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: the batch.
            outputs: what the step logged.
        """
        for hook in self.hooks[: _method(runner).num_active]:
            hook.after_train_iter(runner, batch_idx, data_batch, outputs)

    def _check_wrapper(self, runner: Runner) -> None:
        """Refuse a DDP wrapper that expects all gradients in one backward."""
        if _method(runner).sequential:
            if not isinstance(runner.model, SequentialDistributedDataParallel):
                raise ValueError(
                    'model.sequential=True on several processes needs '
                    "model_wrapper_cfg=dict(type='dts.SequentialDistributedDataParallel')"
                )
        elif self.start_iter > 0 and not runner.cfg.get('find_unused_parameters', False):
            raise ValueError(
                'until start_iter the second student gets no gradient, which DDP takes for an '
                'error: set find_unused_parameters=True in the config'
            )

    def _of_groups(self, runner: Runner) -> list[TeacherHook]:
        """Return the hooks of the groups that the method has."""
        return self.hooks[: len(_method(runner).students)]


def _build(config: ConfigType, student: str) -> TeacherHook:
    """Build the hook of the teachers that follow a student."""
    hook = HOOKS.build(config)
    if not isinstance(hook, TeacherHook):
        raise TypeError(f'teacher must be a teacher hook, got {type(hook).__name__}')
    hook.follows = student
    return hook


def _method(runner: Runner) -> DualTeacherStudent:
    """Return the method.

    Raises:
        TypeError: if it has no groups.
    """
    method = unwrap(runner)
    if not isinstance(method, DualTeacherStudent):
        raise TypeError(
            f'GroupTeachersHook belongs to dts.DualTeacherStudent, got {type(method).__name__}'
        )
    return method
