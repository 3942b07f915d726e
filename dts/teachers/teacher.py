"""One teacher: a locked copy of a student."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from dts.segmentor import decode_logits


class Teacher(nn.Module):
    """Deep copy of a student that stays in eval mode and out of autograd.

    A teacher is not a submodule of anything: DDP, the optimizer, ``state_dict`` and ``train`` of
    the student never see it.

    Args:
        student: the live segmentor, after initialisation, loading and the move to its device.

    Attributes:
        origin: where the weights of a teacher that never moves come from; checkpoints then say this
            instead of holding them. None for a teacher that moves.
    """

    origin: dict[str, str] | None = None

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.segmentor = copy.deepcopy(student).requires_grad_(False)
        self.updates = 0
        self.eval()

    def train(self, mode: bool = True) -> Teacher:
        """Stay in eval mode whatever is asked.

        Args:
            mode: ignored; the signature is that of ``nn.Module.train``.

        Returns:
            The teacher.
        """
        return super().train(False)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move as MMEngine's models do: the data preprocessor of the segmentor follows.

        Args:
            *args: of ``nn.Module.to``.
            **kwargs: of ``nn.Module.to``.

        Returns:
            The teacher.
        """
        # nn.Module.to moves tensors alone; BaseModel.to also tells the preprocessor, which puts
        # the batches of an evaluation on its device.
        self.segmentor.to(*args, **kwargs)
        return super().to(*args, **kwargs)

    def inputs(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return what this teacher looks at when it teaches labelled images; here the images.

        Args:
            images: (B, 3, H, W), normalised for the student.
            labels: (B, H, W) int64, for teachers that are shown them.
        """
        return images

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return class scores without gradient.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            (B, K, H, W), unnormalised.
        """
        return decode_logits(self.segmentor, images)

    def checkpoint_state(self) -> dict[str, Any]:
        """Return all that decides what this teacher does next, on the CPU.

        Returns:
            ``updates`` (number of updates received) and ``state_dict`` (plain segmentor keys).
        """
        tensors = self.segmentor.state_dict()
        return {
            'updates': self.updates,
            'state_dict': {name: tensor.detach().cpu() for name, tensor in tensors.items()},
        }

    def load_checkpoint_state(self, state: dict[str, Any]) -> None:
        """Take over a state that ``checkpoint_state`` wrote.

        Args:
            state: the saved state.

        Raises:
            RuntimeError: if names or shapes differ from this teacher's.
        """
        self.segmentor.load_state_dict(state['state_dict'], strict=True)
        self.updates = int(state['updates'])
