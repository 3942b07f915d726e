"""The label-assisted teacher of the second stage: frozen, with an input of its own."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dts.label_assisted.codes import LabelCodes
from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder
from dts.registry import MODELS
from dts.teachers.frozen import FrozenTeacher
from dts.typing import ConfigType


class FrozenLabelAssistedTeacher(FrozenTeacher):
    """A frozen segmentor that looks at the student's images and a code of their labels.

    Args:
        segmentor: the teacher; frozen in place.
        student: the segmentor that it teaches.
        origin: ``checkpoint`` and ``sha256`` of its file.
        codes: config of ``dts.LabelCodes``, without ``num_classes``; ``scale`` and ``ignore_index``
            are by default those of its training.

    Raises:
        ValueError: if the teacher sees no labels, or was trained with codes of other channels.
    """

    def __init__(
        self, segmentor: nn.Module, student: nn.Module, origin: dict[str, str], codes: ConfigType
    ) -> None:
        if not isinstance(segmentor, LabelAssistedEncoderDecoder):
            raise ValueError(
                f'{origin["checkpoint"]} is to be a label-assisted teacher, its config builds a '
                f'{type(segmentor).__name__}: name the config of the first stage, or take '
                'dts.FrozenTeacherHook for a teacher that sees no labels'
            )
        trained: LabelCodes = segmentor.codes
        of_training = {'scale': trained.scale, 'ignore_index': trained.ignore_index}
        codes = {**of_training, **codes, 'num_classes': trained.num_classes}
        own: LabelCodes = MODELS.build(codes)
        if own.num_channels != trained.num_channels:
            raise ValueError(
                f'{origin["checkpoint"]} was trained with the codes {trained.family!r} of '
                f'{trained.num_channels} channels, the hook asks for {own.family!r} of '
                f'{own.num_channels}: set codes.family={trained.family!r}'
            )
        segmentor.codes = own
        super().__init__(segmentor, student, origin)

    def inputs(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images as the teacher normalises them, with a code of their labels.

        Args:
            images: (B, 3, H, W), normalised for the student.
            labels: (B, H, W) int64 in [0, K-1] or ``codes.ignore_index`` of the segmentor.

        Returns:
            (B, 3 + C, H, W).

        Raises:
            ValueError: if there are no labels.
        """
        if labels is None:
            raise ValueError(
                'a label-assisted teacher answers for labelled images only: it is for '
                'dts.Distillation, and gives no pseudo-labels'
            )
        segmentor: Any = self.segmentor
        coded: Tensor = segmentor.with_code(super().inputs(images), labels)
        return coded
