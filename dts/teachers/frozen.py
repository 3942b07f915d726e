"""A teacher of any architecture that never moves, and the file that its weights come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from dts.checkpoints.match import match_tensors
from dts.config import load_config, student_config
from dts.evaluation.checkpoint_models import checkpoint_states
from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder
from dts.registry import MODELS
from dts.teachers.teacher import Teacher
from dts.typing import ConfigType


class FrozenTeacher(Teacher):
    """A trained segmentor in eval mode, out of autograd, that looks at the student's images.

    Args:
        segmentor: the teacher; frozen in place.
        student: the segmentor that it teaches. Images that are normalised for it are normalised
            anew if the teacher was trained with another mean, deviation or channel order.
        origin: ``checkpoint`` (its path) and ``sha256`` of that file.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(self, segmentor: nn.Module, student: nn.Module, origin: dict[str, str]) -> None:
        nn.Module.__init__(self)
        self.segmentor = segmentor.requires_grad_(False)
        self.updates = 0
        self.origin = origin
        self._flips, scale, shift = _conversion(_normalization(student), _normalization(segmentor))
        self._is_converted = self._flips or bool((scale != 1).any() | (shift != 0).any())
        self.register_buffer('_scale', scale, persistent=False)
        self.register_buffer('_shift', shift, persistent=False)
        self.eval()

    def inputs(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the images as the teacher's own data preprocessor normalises them.

        Args:
            images: (B, 3, H, W), normalised for the student.
            labels: not used.
        """
        if not self._is_converted:
            return images
        if self._flips:
            images = images.flip(1)
        return images * self._scale + self._shift

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return class scores without gradient.

        Args:
            images: (B, 3, H, W), normalised for the student.

        Returns:
            (B, K, H, W), unnormalised.
        """
        return super().logits(self.inputs(images))


def build_frozen_teacher(
    name: str,
    config: str | ConfigType,
    checkpoint: str,
    student: EncoderDecoder,
    teacher_type: Callable[[nn.Module, nn.Module, dict[str, str]], FrozenTeacher] = FrozenTeacher,
) -> FrozenTeacher:
    """Build a segmentor and load all of its weights.

    Args:
        name: its name, in errors.
        config: config of a segmentor, or a config file with one as ``model`` (the student, if that
            is a method of ``dts``).
        checkpoint: a file of ``dts.CheckpointHook`` or of stock MMSeg, or an address of one, see
            ``dts.zoo.address.local_file``; read with ``weights_only``.
        student: the segmentor that it teaches; it is not changed.
        teacher_type: makes the teacher of segmentor, student and origin.

    Returns:
        The teacher, on the student's device.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if the weights do not fit, wholly, or the teacher knows other classes, or sees
            labels that nobody shows it.
    """
    model: Any = config
    if isinstance(config, str | Path):
        model = load_config(config).model
    with torch.random.fork_rng(devices=[]):  # initial weights, replaced below
        segmentor = MODELS.build(student_config(model))
    if teacher_type is FrozenTeacher and isinstance(segmentor, LabelAssistedEncoderDecoder):
        raise ValueError(
            f'the teacher {name!r} sees labels beside the image, dts.FrozenTeacherHook shows it '
            "images alone: take dict(type='dts.LabelAssistedTeacherHook', config=..., "
            'checkpoint=...); other teachers go into its teachers'
        )
    if segmentor.num_classes != student.num_classes:
        raise ValueError(
            f'the teacher {name!r} knows {segmentor.num_classes} classes, the student '
            f'{student.num_classes}: distillation needs a teacher of the same data set'
        )
    from dts.zoo.address import local_file  # noqa: PLC0415 - the zoo imports all parts of dts

    file = local_file(checkpoint)
    weights = next(iter(checkpoint_states(str(file)).values()))
    weights = {key.removeprefix('module.'): tensor for key, tensor in weights.items()}
    own = segmentor.state_dict()
    source = f'{checkpoint} of the teacher {name!r}'
    segmentor.load_state_dict(own | match_tensors(weights, own, source=source))
    origin = {'checkpoint': str(checkpoint), 'sha256': file_digest(file)}
    teacher = teacher_type(segmentor, student, origin)
    segmentor.to(memory_format=torch.channels_last)  # as the student
    teacher.to(next(student.parameters()).device)
    return teacher


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file.

    Args:
        path: the file.
    """
    digest = hashlib.sha256()
    with Path(path).expanduser().open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _normalization(segmentor: Any) -> tuple[bool, Tensor, Tensor]:
    """Return of MMSeg's preprocessor: are channels flipped, mean and deviation (3, 1, 1)."""
    preprocessor = segmentor.data_preprocessor
    if not getattr(preprocessor, '_enable_normalize', False):
        return (
            getattr(preprocessor, 'channel_conversion', False),
            torch.zeros(3, 1, 1),
            torch.ones(3, 1, 1),
        )
    return preprocessor.channel_conversion, preprocessor.mean.cpu(), preprocessor.std.cpu()


def _conversion(
    source: tuple[bool, Tensor, Tensor], target: tuple[bool, Tensor, Tensor]
) -> tuple[bool, Tensor, Tensor]:
    """Return flip, scale and shift that turn images of one normalisation into another's.

    x_target = (x_source std_source + mean_source - mean_target) / std_target, after the flip.
    """
    (source_order, source_mean, source_std), (order, mean, std) = source, target
    flips = source_order != order
    if flips:
        source_mean, source_std = source_mean.flip(0), source_std.flip(0)
    return flips, source_std / std, (source_mean - mean) / std
