"""Label-assisted teacher: the first stage of label-assisted distillation.

    x, y        images and labels                        inputs['labeled']
    c_1, c_2    two independent codes of y               segmentor.with_code
    z_1, z_2    scores of [x ; c_1] and [x ; c_2]        paths
    sg          stop gradient
    aux_weight  weight of an auxiliary head's term       its loss_decode.loss_weight (0.4)

Source: Qiu et al., "Make a Strong Teacher with Label Assistance", ECCV 2024; released code
skyshoumeng/Label_Assisted_Distillation, train_baseline.py.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from dts.distill.mask import valid_at
from dts.distill.taps import LOGITS, Tap, record
from dts.distill.terms import build_loss, compare
from dts.label_assisted.codes import check_ignored
from dts.methods.base import TeacherStudent, stack_labels
from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder
from dts.ranges import check_not_negative
from dts.registry import MODELS
from dts.segmentor import HeadLogits, all_logits, split_heads
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses

Paths = Literal['sequential', 'batched']


class Path(NamedTuple):
    """What the network makes of one code.

    Attributes:
        heads: scores of every head at the size of the image.
        logits: (B, K, h, w), scores of the head that predicts, before upsampling.
    """

    heads: list[HeadLogits]
    logits: Tensor


@MODELS.register_module()
class LabelAssistedTeacher(TeacherStudent):
    """Train a network that sees noisy labels, and to answer alike whatever the draw of the noise.

        L = sum_i [CE(z_i, y) + aux_weight CE(aux_i, y)]
            + lambda [CWD(z_1 || sg z_2) + CWD(z_2 || sg z_1)]

    The cross entropies of both paths are summed, not averaged. The network is called ``student``
    while it trains, as in every method; its validation scores are ``teacher_with_labels`` (an
    oracle) and ``teacher_zeroed``. ``dts.LabelAssistedTeacherHook`` gives the last checkpoint to
    the second stage.

    Deviation: ignored and padded pixels are left out of the consistency, where the released code
    counts them.

    Args:
        student: config of a ``dts.LabelAssistedEncoderDecoder``, or of a cascade.
        criterion: config of the loss of labelled pixels.
        paths: ``sequential`` runs the network twice, as released: statistics of BatchNorm are those
            of a path, and move twice. ``batched`` runs it once on both paths together.
        consistency: config of the distance CWD, on scores before upsampling.
        consistency_weight: lambda >= 0.

    Raises:
        ValueError: if the student sees no labels, its codes take another label for ignored than the
            criterion, or an option is unknown or out of range.
    """

    def __init__(
        self,
        student: ConfigType | nn.Module,
        criterion: ConfigType | nn.Module | None = None,
        *,
        paths: Paths = 'sequential',
        consistency: ConfigType | None = None,
        consistency_weight: float = 5.0,
    ) -> None:
        super().__init__(student, criterion)
        if not isinstance(self.student, LabelAssistedEncoderDecoder):
            raise ValueError(
                f'LabelAssistedTeacher trains a network that sees labels, got a '
                f"{type(self.student).__name__}: set model.student.type='dts.LabelAssisted"
                "EncoderDecoder' and model.student.codes=dict(type='dts.LabelCodes')"
            )
        check_ignored(self.student.codes.ignore_index, self.ignore_index, 'model.student.codes')
        if paths not in get_args(Paths):
            raise ValueError(f'paths must be one of {get_args(Paths)}, got {paths!r}')
        check_not_negative(consistency_weight=consistency_weight)
        self.paths = paths
        consistency = consistency or {'type': 'dts.ChannelWiseKD', 'temperature': 4.0}
        num_classes = self.student.num_classes
        self.consistency = build_loss(consistency, num_classes, self.ignore_index, 'consistency')
        self.consistency_weight = consistency_weight

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W).
            data_samples: ``labeled``, with labels.

        Returns:
            ``path_1.<head>.loss_ce``, ``path_2.<head>.loss_ce`` and ``loss_consistency``.
        """
        images, labels = inputs['labeled'], stack_labels(data_samples['labeled'])
        coded = [self.student.with_code(images, labels) for _ in range(2)]  # (B, 3 + C, H, W)
        if self.paths == 'sequential':
            first, second = self._run(coded[0]), self._run(coded[1])
        else:
            first, second = _halves(self._run(torch.cat(coded)))

        losses = self.score_heads(first.heads, labels, 'path_1')
        losses |= self.score_heads(second.heads, labels, 'path_2')

        one, other = first.logits, second.logits
        valid = valid_at(labels, one.shape[-2:], ignore_index=self.ignore_index)  # (B, h, w)
        consistency = compare(self.consistency, one, other.detach(), valid, labels)
        consistency = consistency + compare(self.consistency, other, one.detach(), valid, labels)
        losses['loss_consistency'] = self.consistency_weight * consistency
        return losses

    def _run(self, coded: Tensor) -> Path:
        """Return what the network makes of images with codes, (B, 3 + C, H, W)."""
        heads = self.student.decode_head
        tap = Tap(
            f'decode_head.{len(heads) - 1}.conv_seg' if isinstance(heads, nn.ModuleList) else LOGITS
        )
        with record(self.student, [tap]) as maps:
            scores = all_logits(self.student, coded)
        return Path(scores, maps[tap])


def _halves(both: Path) -> tuple[Path, Path]:
    """Split what was made of the two paths in one batch."""
    logits = both.logits.chunk(2)
    heads = split_heads(both.heads, [len(part) for part in logits])
    return Path(heads[0], logits[0]), Path(heads[1], logits[1])
