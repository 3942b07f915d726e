"""A teacher that labels in train mode, as the code of Dual Teacher does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dts.models.sub_network import drop_path_layers
from dts.teachers.teacher import Teacher


class TrainModeTeacher(Teacher):
    """Teacher whose head dropout and BatchNorm batch statistics are active while it labels.

    It is evaluated in eval mode, with the running statistics that its own labelling left. Its
    stochastic depth is off: the released teacher is the same Transformer with rate 0.

    Source: naver-ai/dual-teacher (parity).

    Args:
        student: the live segmentor.
    """

    def __init__(self, student: nn.Module) -> None:
        super().__init__(student)
        for block in drop_path_layers(self.segmentor):
            for layer in block:
                layer.drop_prob = 0.0

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return class scores of the network in train mode, without gradient.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            (B, K, H, W), unnormalised.
        """
        self.segmentor.train()
        try:
            return super().logits(images)
        finally:
            self.segmentor.eval()
