"""The contract between a method, its student, and the teachers that a hook attaches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from dts.methods.preprocessor import BranchDataPreprocessor
from dts.registry import MODELS
from dts.segmentor import HeadLogits
from dts.targets.diagnostics import accepted_ratio, disagreement, pseudo_label_accuracy
from dts.targets.pseudo_label import PseudoLabels
from dts.teachers.bank import TeacherBank, check_only
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses

Observer = Callable[[Mapping[str, Tensor]], None]


class TeacherStudent(BaseModel, ABC):
    """Thin shell around a stock MMSeg segmentor, the student.

    A method writes one ``loss`` over the branches of a batch. It never moves a teacher, calls
    backward, logs or plots. All student forwards happen inside that one call and its result is
    summed once, which keeps it right under DDP, AMP and gradient accumulation. ``predict`` and
    ``tensor`` modes are the student's.

    Args:
        student: config of a segmentor of MMSeg, with its ``data_preprocessor``, or a built one.
        criterion: config of the loss that scores labelled pixels, or a built one.
    """

    def __init__(
        self, student: ConfigType | nn.Module, criterion: ConfigType | nn.Module | None = None
    ) -> None:
        segmentor = _built(student)
        super().__init__(data_preprocessor=BranchDataPreprocessor(segmentor.data_preprocessor))
        self.student = segmentor
        self.criterion = _built(criterion or {'type': 'dts.CrossEntropy'})
        self.ignore_index: int = getattr(self.criterion, 'ignore_index', 255)
        self._teachers: TeacherBank | None = None
        self.observers: list[Observer] = []
        # Convolutions follow the layout of their weights; worth 25 % on CPU, and what tensor cores
        # want. Here and not later: DDP records strides when it wraps and would scramble gradients.
        self.to(memory_format=torch.channels_last)

    @property
    def teachers(self) -> TeacherBank:
        """The teachers that a hook attached before training.

        Raises:
            RuntimeError: if there is none.
        """
        if self._teachers is None:
            raise RuntimeError(
                f'{type(self).__name__} has no teacher: add a teacher hook to custom_hooks, for '
                "example dict(type='dts.EmaTeacherHook', decay=0.99)"
            )
        return self._teachers

    @property
    def students(self) -> dict[str, nn.Module]:
        """The segmentors that are trained, by the names that evaluation and checkpoints use."""
        return {'student': self.student}

    def attach_teachers(self, bank: TeacherBank, student: str = 'student') -> None:
        """Let a hook hand over the teachers.

        Args:
            bank: the teachers; stays the hook's, and outside of the module tree.
            student: name of the student that they follow.

        Raises:
            ValueError: if another hook did so before.
        """
        check_only(type(self).__name__, self._teachers, bank)
        self._teachers = bank

    def expose(self, **tensors: Tensor) -> None:
        """Show what a step made to the observers that hooks attached; for pictures and counts.

        Without an observer it does nothing. Entry i of all tensors of one call is about one image.

        Args:
            tensors: images (B, 3, H, W), labels, masks or weights (B, H, W), by name.
        """
        for observer in self.observers:
            observer({name: tensor.detach() for name, tensor in tensors.items()})

    @property
    def has_teachers(self) -> bool:
        """Whether a hook attached teachers."""
        return self._teachers is not None

    def forward(
        self,
        inputs: Any,
        data_samples: Any = None,
        mode: str = 'tensor',
    ) -> Any:
        """Dispatch as MMEngine asks.

        Args:
            inputs: images (B, 3, H, W), keyed by branch in mode ``loss``.
            data_samples: their samples, keyed likewise.
            mode: ``loss``, ``predict`` or ``tensor``; the last two are the student's.

        Returns:
            The losses, the student's predictions, or its raw scores.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self.student(inputs, data_samples, mode)

    @abstractmethod
    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses and statistics of one step.

        Args:
            inputs: (B, 3, H, W) per branch, normalised and padded.
            data_samples: the samples of every branch.

        Returns:
            Scalars; the last dotted part of a key starts with ``loss_`` (summed) or ``stat_``
            (logged only).
        """

    def parse_losses(self, losses: Losses) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the terms, after a check that no statistic is summed by accident.

        Args:
            losses: result of ``loss``.

        Returns:
            The total and what is logged.

        Raises:
            ValueError: if a key breaks the naming rule of ``loss``.
        """
        for key in losses:
            is_term = key.rpartition('.')[2].startswith('loss_')
            is_statistic = key.rpartition('.')[2].startswith('stat_') and 'loss' not in key
            if not (is_term or is_statistic):
                raise ValueError(
                    f'{type(self).__name__}.loss returned the key {key!r}: its last dotted part '
                    "must start with 'loss_' (summed) or 'stat_' (logged only)"
                )
        return super().parse_losses(losses)

    def score_heads(
        self,
        heads: list[HeadLogits],
        labels: Tensor,
        prefix: str,
        pixel_weight: Tensor | None = None,
    ) -> Losses:
        """Score every head against labels.

        Args:
            heads: scores of the heads of the student, (B, K, H, W) each or of a window of it.
            labels: (B, H, W) int64.
            prefix: first part of the keys, for example ``sup``.
            pixel_weight: (B, H, W) >= 0; None means 1 everywhere.

        Returns:
            ``{prefix}.{head}.loss_ce`` for every head, times the head's own weight.
        """
        losses: Losses = {}
        for head in heads:
            weight = None if pixel_weight is None else head.crop(pixel_weight)
            loss = self.criterion(head.logits, head.crop(labels), weight)
            losses[f'{prefix}.{head.name}.loss_ce'] = head.weight * loss
        return losses

    def label_statistics(
        self,
        target: PseudoLabels,
        threshold: float,
        logits_student: Tensor,
        labels_mixed: Tensor,
        data_samples: list[SegDataSample],
    ) -> Losses:
        """Return what the log shows of pseudo-labels.

        Args:
            target: pseudo-labels before mixing.
            threshold: probability in [0, 1] from which on a label is accepted.
            logits_student: (U, K, H, W), scores of the images that the student saw.
            labels_mixed: (U, H, W), labels of the same images.
            data_samples: the unlabelled samples; hidden labels of theirs are used here only.

        Returns:
            ``stat_accepted_ratio``, ``stat_disagreement``, and with hidden labels
            ``stat_pseudo_accuracy``.
        """
        statistics = self.teacher_statistics(target, threshold, data_samples)
        statistics['stat_disagreement'] = disagreement(logits_student, labels_mixed)
        return statistics

    def teacher_statistics(
        self, target: PseudoLabels, threshold: float, data_samples: list[SegDataSample]
    ) -> Losses:
        """Return what the log shows of a teacher's labels alone.

        Args:
            target: pseudo-labels before mixing.
            threshold: probability in [0, 1] from which on a label is accepted.
            data_samples: the unlabelled samples; hidden labels of theirs are used here only.

        Returns:
            ``stat_accepted_ratio``, and with hidden labels ``stat_pseudo_accuracy``.
        """
        statistics = {'stat_accepted_ratio': accepted_ratio(target, threshold)}
        if has_labels(data_samples):
            labels = stack_labels(data_samples)
            statistics['stat_pseudo_accuracy'] = pseudo_label_accuracy(target, threshold, labels)
        return statistics


def _built(module: ConfigType | nn.Module) -> Any:
    """Return a module, built if it is a config."""
    return module if isinstance(module, nn.Module) else MODELS.build(module)


def stack_labels(data_samples: list[SegDataSample]) -> Tensor:
    """Return the labels of a batch.

    Args:
        data_samples: samples with ``gt_sem_seg`` of one size.

    Returns:
        (B, H, W) int64.
    """
    return torch.stack([sample.gt_sem_seg.data[0] for sample in data_samples]).long()


def has_labels(data_samples: list[SegDataSample]) -> bool:
    """Return whether every sample of a branch carries labels.

    Args:
        data_samples: samples of one branch.

    Returns:
        True when ``gt_sem_seg`` is there.
    """
    return all('gt_sem_seg' in sample for sample in data_samples)


def valid_pixels(images: Tensor, data_samples: list[SegDataSample]) -> Tensor:
    """Return where a batch shows image and not padding.

    Args:
        images: (B, 3, H, W), padded at the bottom and on the right.
        data_samples: their samples; ``img_shape`` is the size before padding.

    Returns:
        (B, H, W) bool, True = image.
    """
    height, width = images.shape[-2:]
    mask = torch.ones(len(images), height, width, dtype=torch.bool, device=images.device)
    for image_mask, sample in zip(mask, data_samples, strict=True):
        image_height, image_width = sample.img_shape[:2]
        image_mask[image_height:] = False
        image_mask[:, image_width:] = False
    return mask
