"""The teachers of a run, by name, and which of them is asked for labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dts.teachers.teacher import Teacher


class TeacherBank:
    """Plain holder of teachers: a hook fills and moves it, a method asks it.

    It is no ``nn.Module``, so that attaching it to a method registers nothing.

    Args:
        teachers: teachers by name: ``teacher``, or ``teacher.0``, ``teacher.1``, ...; the first one
            is active.

    Raises:
        ValueError: if there is no teacher.
    """

    def __init__(self, teachers: Mapping[str, Teacher]) -> None:
        if not teachers:
            raise ValueError('a teacher bank needs at least one teacher')
        self._teachers = dict(teachers)
        self.active = next(iter(self._teachers))
        # Iterations done, for weights that follow a schedule; None while no hook counts them.
        self.iteration: int | None = None

    @classmethod
    def from_student(
        cls, student: nn.Module, names: list[str], teacher_type: type[Teacher] = Teacher
    ) -> TeacherBank:
        """Build teachers that equal the live student.

        Args:
            student: the segmentor to copy.
            names: names of the teachers.
            teacher_type: their class.

        Returns:
            The bank; the first name is active.
        """
        return cls({name: teacher_type(student) for name in names})

    @classmethod
    def from_state(cls, student: nn.Module, state: dict[str, Any]) -> TeacherBank:
        """Rebuild the bank that ``state_dict`` described.

        Args:
            student: a segmentor of the same architecture.
            state: the saved state.

        Returns:
            The bank.
        """
        bank = cls.from_student(student, list(state['teachers']))
        bank.load_state_dict(state)
        return bank

    @classmethod
    def joined(cls, banks: Sequence[TeacherBank]) -> TeacherBank:
        """Return one bank with the teachers of several; they stay shared.

        Args:
            banks: banks without a name in common.

        Returns:
            The bank; the active teacher is that of the first one.
        """
        bank = cls({name: bank[name] for bank in banks for name in bank.names})
        bank.active = banks[0].active
        return bank

    def extend(self, other: TeacherBank) -> None:
        """Add the teachers of another bank behind those of this one; the active one stays.

        Args:
            other: a bank without a name of this one; its teachers are shared.

        Raises:
            ValueError: if both have a teacher of one name.
        """
        double = [name for name in other.names if name in self._teachers]
        if double:
            raise ValueError(f'two hooks make a teacher named {double[0]!r}')
        self._teachers |= {name: other[name] for name in other.names}

    @property
    def names(self) -> list[str]:
        """Names of the teachers, in order."""
        return list(self._teachers)

    @property
    def moving(self) -> list[str]:
        """Names of the teachers whose weights checkpoints hold, in order; others never move."""
        return [name for name, teacher in self._teachers.items() if teacher.origin is None]

    @property
    def updates(self) -> int:
        """Updates that the teachers have received, all of them together.

        Equal to the number of optimizer steps while one teacher moves per step.
        """
        return sum(teacher.updates for teacher in self._teachers.values())

    @property
    def active_index(self) -> int:
        """Position of the active teacher among ``names``."""
        return self.names.index(self.active)

    def __getitem__(self, name: str) -> Teacher:
        if name not in self._teachers:
            raise KeyError(f'no teacher named {name!r}; this run has {self.names}')
        return self._teachers[name]

    def __deepcopy__(self, memo: dict[int, Any]) -> TeacherBank:
        # A copy of the method (MMEngine's EMAHook makes one) asks the same teachers.
        return self

    @torch.no_grad()
    def probabilities(self, images: Tensor, name: str | None = None) -> Tensor:
        """Return the class probabilities of a teacher.

        Args:
            images: (B, 3, H, W), normalised.
            name: the teacher to ask; None asks the active one.

        Returns:
            (B, K, H, W) float32 in [0, 1], summing to 1 over K, without gradient.
        """
        # Softmax in float32 also under autocast: a threshold of 0.95 sits between bfloat16 numbers.
        return self[name or self.active].logits(images).float().softmax(dim=1)

    def state_dict(self) -> dict[str, Any]:
        """Return a plain description of all teachers for the checkpoint.

        Returns:
            ``active`` and ``teachers`` (name -> state of the teacher, on the CPU); with teachers
            that never move also ``frozen`` (name -> their origin), they are in that alone.
        """
        state: dict[str, Any] = {
            'active': self.active,
            'teachers': {
                n: t.checkpoint_state() for n, t in self._teachers.items() if not t.origin
            },
        }
        frozen = {name: t.origin for name, t in self._teachers.items() if t.origin}
        return state | ({'frozen': frozen} if frozen else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` wrote.

        Args:
            state: the saved state.

        Raises:
            ValueError: if the names of the teachers differ.
        """
        if list(state['teachers']) != self.names:
            raise ValueError(
                f'the checkpoint holds the teachers {list(state["teachers"])}, this config builds '
                f'{self.names}: resume with the config that the run was started with'
            )
        for name, teacher in self._teachers.items():
            teacher.load_checkpoint_state(state['teachers'][name])
        self.active = state['active']


def check_only(owner: str, current: TeacherBank | None, bank: TeacherBank) -> None:
    """Refuse a second bank, which would replace the first one unnoticed.

    Args:
        owner: class of the method.
        current: the bank that it has, None if it has none.
        bank: the bank that a hook hands over.

    Raises:
        ValueError: if it is another one.
    """
    if current is not None and current is not bank:
        raise ValueError(
            f'two hooks own teachers of {owner}, {current.names} and {bank.names}: leave one of '
            'them in custom_hooks, and name several trained teachers in teachers of one hook, '
            'dts.FrozenTeacherHook or dts.LabelAssistedTeacherHook'
        )
