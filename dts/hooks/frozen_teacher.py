"""Hook that owns teachers which were trained before and never move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.models.segmentors import EncoderDecoder

from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS
from dts.teachers.bank import TeacherBank
from dts.teachers.frozen import FrozenTeacher, build_frozen_teacher
from dts.typing import ConfigType


@HOOKS.register_module()
class FrozenTeacherHook(Hook):
    """Trained segmentors of any architecture as teachers, by name.

    They look at the student's images, normalised as they were trained with. Checkpoints do not hold
    them but say which files they are from (path and SHA-256): a resume refuses another file. The
    hook also counts iterations for weights that follow a schedule. ``val_cfg.models=['student',
    'teacher']`` evaluates a teacher of that name too.

    Args:
        teachers: name -> ``dict(config=..., checkpoint=...)``, see
            ``dts.teachers.frozen.build_frozen_teacher``. The first one is active.

    Raises:
        ValueError: if there is none, or an entry has other keys.
    """

    priority = 'ABOVE_NORMAL'

    def __init__(self, teachers: Mapping[str, ConfigType]) -> None:
        if not teachers:
            raise ValueError('teachers of FrozenTeacherHook must name at least one teacher')
        for name, entry in teachers.items():
            if set(entry) != {'config', 'checkpoint'}:
                raise ValueError(
                    f'teachers[{name!r}] of FrozenTeacherHook must be dict(config=<file or model>, '
                    f'checkpoint=<file>), got the keys {sorted(entry)}'
                )
        self.teachers = dict(teachers)
        self._saved: Mapping[str, Mapping[str, str]] | None = None

    def before_train(self, runner: Runner) -> None:
        """Build the teachers, compare them with those of a resumed run, and attach them.

        Args:
            runner: the runner.

        Raises:
            ValueError: if the run was started with other teachers.
        """
        method = unwrap(runner)
        built = {
            name: self.build(name, entry, method.student) for name, entry in self.teachers.items()
        }
        self.bank = TeacherBank(built)
        if self._saved is not None:
            saved = {name: origin['sha256'] for name, origin in self._saved.items()}
            current = {n: t.origin['sha256'] for n, t in built.items() if t.origin}
            if saved != current:
                raise ValueError(
                    'cannot resume, the run was started with the teachers '
                    f'{ {name: dict(origin) for name, origin in self._saved.items()} }, this '
                    f'config has { {name: t.origin for name, t in built.items()} }'
                )
        method.attach_teachers(self.bank)

    def build(self, name: str, entry: ConfigType, student: EncoderDecoder) -> FrozenTeacher:
        """Build one teacher.

        Args:
            name: its name.
            entry: its ``config`` and ``checkpoint``.
            student: the segmentor that it teaches.

        Returns:
            The teacher, on the student's device.
        """
        return build_frozen_teacher(name, student=student, **entry)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Hand the number of the iteration to the method.

        Args:
            runner: the runner.
            batch_idx: index of the iteration, the same after a resume.
            data_batch: not used.
        """
        self.bank.iteration = batch_idx

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Remember which teachers a resumed run had.

        Args:
            runner: the runner.
            checkpoint: what was read.
        """
        if runner._resume:
            teachers = checkpoint.get('dts', {}).get('teachers') or {}
            self._saved = teachers.get('frozen', {})
