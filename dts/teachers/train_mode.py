"""Teachers that label in train mode, wholly or in their BatchNorm alone, as released code does."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

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
        self._start_labelling()
        try:
            return super().logits(images)
        finally:
            self.segmentor.eval()

    def _start_labelling(self) -> None:
        """Put the network into the mode in which it labels."""
        self.segmentor.train()


class BatchStatisticsTeacher(TrainModeTeacher):
    """Teacher that labels with the BatchNorm statistics of its batch, in eval mode otherwise.

    Dropout, drop-path and BatchNorm that the student itself keeps frozen stay in eval mode. Its
    running statistics are those of its own labelling, so it needs ``buffers='own'`` of
    ``dts.teachers.ema.EmaMotion``.

    Source: lhoyer/DAFormer mmseg/models/uda/dacs.py, kept by HRDA and MIC (parity).

    Args:
        student: the live segmentor.
    """

    def _start_labelling(self) -> None:
        """Put BatchNorm alone into train mode, where the network's own train mode does."""
        super()._start_labelling()
        for module in self.segmentor.modules():
            module.training = module.training and isinstance(module, _BatchNorm)
