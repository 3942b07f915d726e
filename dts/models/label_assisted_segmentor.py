"""Segmentors that see labels beside the image: the teachers of label-assisted distillation."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmseg.models.segmentors import CascadeEncoderDecoder, EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from dts.label_assisted.codes import LabelCodes
from dts.label_assisted.stem import (
    IMAGE_CHANNELS,
    StemInit,
    check_stem_init,
    fill_code_slices,
    find_stem,
    image_stem,
    widen_stem,
)
from dts.registry import MODELS
from dts.typing import ConfigType

FLIP_AXES = {'horizontal': -1, 'vertical': -2}


@MODELS.register_module()
class LabelAssistedEncoderDecoder(EncoderDecoder):
    """MMSeg's ``EncoderDecoder`` whose first convolution reads the image and a code of its labels.

    Tensors have the names of the stock segmentor, so its checkpoints open in a stock config with
    ``in_channels=4`` (or 3 + K + 1 for one-hot codes) where the backbone has that argument: ResNet,
    MixVisionTransformer, STDCNet, HRNet, ``dts.EfficientNetLite``. Pretrained weights are those of
    the stock backbone; ``init_cfg=dict(type='dts.StrictPretrained', checkpoint=FILE)`` of the
    segmentor starts from a whole segmentor of three channels.

    ``predict`` needs the labels, and says how well the network does with them; ``ZeroedCode`` shows
    the same network without. Code and image are one tensor before inference begins, so sliding
    windows cut both.

    Args:
        codes: config of ``dts.LabelCodes``, without ``num_classes``.
        stem_init: how the new slices of the stem start, see ``fill_code_slices``.
        kwargs: of ``EncoderDecoder``; its backbone is that of a network of three channels.

    Raises:
        ValueError: if the stem of the backbone cannot be found, or an option is unknown.
    """

    def __init__(self, *, codes: ConfigType, stem_init: StemInit = 0.1, **kwargs: Any) -> None:
        check_stem_init(stem_init)
        super().__init__(**kwargs)
        self.codes: LabelCodes = MODELS.build({**codes, 'num_classes': self.num_classes})
        self.stem_init = stem_init
        self.stem_name = find_stem(self.backbone)
        widen_stem(self.stem, self.codes.num_channels)

    @property
    def stem(self) -> nn.Conv2d:
        """The widened convolution; by name, as an attribute would register it twice."""
        stem: nn.Conv2d = self.backbone.get_submodule(self.stem_name)
        return stem

    def init_weights(self) -> None:
        """Initialise the segmentor of three channels, then the slices of the code."""
        is_first = not self.is_init
        with image_stem(self.stem):
            super().init_weights()
        if is_first:
            code_std, image_std = fill_code_slices(self.stem, self.stem_init)
            print_log(
                f'backbone.{self.stem_name} reads {self.codes.num_channels} channels of label '
                f'codes: std {code_std:.4f} at the start, beside {image_std:.4f} of the image',
                logger='current',
            )

    def with_code(self, images: Tensor, labels: Tensor) -> Tensor:
        """Append a fresh draw of the code.

        Args:
            images: (B, 3, H, W), normalised.
            labels: (B, H, W) int64 in [0, K-1] or ``codes.ignore_index``.

        Returns:
            (B, 3 + C, H, W).
        """
        return torch.cat([images, self.codes(labels).to(images.dtype)], dim=1)

    def with_zeros(self, images: Tensor) -> Tensor:
        """Append a code of zeros.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            (B, 3 + C, H, W).
        """
        return F.pad(images, (0, 0, 0, 0, 0, self.codes.num_channels))

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Predict as the stock segmentor does.

        Args:
            inputs: (B, 3, H, W), to which the code of the samples' labels is appended; or
                (B, 3 + C, H, W) with a code.
            data_samples: their samples.

        Returns:
            The samples with predictions.

        Raises:
            ValueError: if a code is to be made and there are no labels.
        """
        if inputs.shape[1] == IMAGE_CHANNELS:
            labels = input_labels(inputs, data_samples, self.codes.ignore_index)
            inputs = self.with_code(inputs, labels)
        predictions: list[SegDataSample] = super().predict(inputs, data_samples)
        return predictions


@MODELS.register_module()
class LabelAssistedCascadeEncoderDecoder(LabelAssistedEncoderDecoder, CascadeEncoderDecoder):
    """MMSeg's ``CascadeEncoderDecoder`` with labels beside the image (OCRNet)."""


def input_labels(
    images: Tensor, data_samples: list[SegDataSample] | None, ignore_index: int = 255
) -> Tensor:
    """Return labels in the frame of the images that a network is evaluated on.

    Evaluation keeps labels as the file has them and scales, mirrors and pads images alone.

    Args:
        images: (B, C, H, W), for the size; padded at the bottom and on the right.
        data_samples: their samples, with ``gt_sem_seg`` and the ``img_shape`` and ``flip`` of the
            image.
        ignore_index: label of the padding.

    Returns:
        (B, H, W) int64, nearest neighbours; ``ignore_index`` where padded.

    Raises:
        ValueError: if a sample has no labels.
    """
    if not data_samples or any('gt_sem_seg' not in sample for sample in data_samples):
        raise ValueError(
            'a label-assisted network predicts from image and labels, and an image came without: '
            'load labels in the pipeline (dts.LoadLabels), or evaluate teacher_zeroed'
        )
    size = (len(images), *images.shape[2:])
    labels = images.new_full(size, ignore_index, dtype=torch.int64)
    for row, sample in zip(labels, data_samples, strict=True):
        height, width = sample.img_shape[:2]
        own = sample.gt_sem_seg.data[None].float()  # (1, 1, h, w)
        if sample.get('flip'):
            own = own.flip(FLIP_AXES[sample.flip_direction])
        row[:height, :width] = F.interpolate(own, (height, width))[0, 0]
    return labels
