"""HRDA: a segmentor that sees an image at half size for context and windows of it for detail.

    C    context: scores of the image at half size
    D    detail: scores of windows at full size
    a    scale attention: how far D is trusted, one map per class
    lambda_d    share of the loss of the detail

Axes: ``B`` batch, ``K`` classes, ``H W`` height and width of the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from dts.models.hrda_windows import FACTOR, average_windows, draw_box, fuse, shrink, slide_boxes
from dts.registry import MODELS
from dts.segmentor import HeadLogits, loss_weight
from dts.typing import ConfigType, Losses


@MODELS.register_module()
class HRDAEncoderDecoder(EncoderDecoder):
    """Fuse context and detail of an image; a plain MMSeg segmentor from the outside.

    One backbone and one head serve both. Predictions score all of the detail, by windows that
    overlap by half; a training step scores one random window of it. ``dts.segmentor`` asks this
    class: ``decode_logits`` is the prediction, ``all_logits`` are the two terms of the loss

        L = (1 - lambda_d) CE(F, y) + lambda_d CE(D, y in the window),   F as in ``fuse``

    and ``encode`` gives the features of the context. The window travels with the scores and is
    kept nowhere, so teachers, copies and calls in any order do not meet.

    Source: Hoyer et al., ECCV 2022; reference lhoyer/HRDA mmseg/models/segmentors/
        hrda_encoder_decoder.py and decode_heads/hrda_head.py.
    Deviation: see ``draw_box``; the loss of the context alone, off in the release, is left out;
    images of other sizes are padded for a prediction.

    Args:
        backbone: config of the backbone.
        decode_head: config of the head of context and detail; predicts by a single stage.
        attention_head: what the head of the scale attention has other than ``decode_head``. It is
            called a head, so that rules for learning rates by that name hold for it.
        detail_size: height and width of the windows; smaller images are one window.
        stride: distance in pixels of neighbouring scores of the head.
        detail_weight: lambda_d in [0, 1].
        windows_per_forward: windows of every image that a prediction runs at once, None for all;
            fewer need less memory and give the same result, except for batch statistics.
        include_last_corner: False draws windows as the release does, see ``draw_box``.
        **kwargs: as for ``EncoderDecoder``, without ``auxiliary_head``.

    Raises:
        ValueError: if windows do not fit the strides, or an argument is out of range.
    """

    def __init__(
        self,
        backbone: ConfigType,
        decode_head: ConfigType,
        *,
        attention_head: ConfigType | None = None,
        detail_size: Sequence[int] = (512, 512),
        stride: int = 4,
        detail_weight: float = 0.1,
        windows_per_forward: int | None = None,
        include_last_corner: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, decode_head, **kwargs)
        if self.with_auxiliary_head:
            raise ValueError('dts.HRDAEncoderDecoder trains no auxiliary head: remove it')
        self.multiple = FACTOR * stride  # corners on the grid of the context's scores
        if any(extent < 1 or extent % self.multiple for extent in detail_size):
            raise ValueError(
                f'detail_size must hold multiples of {self.multiple} for stride {stride}, got '
                f'{tuple(detail_size)}'
            )
        if not 0.0 <= detail_weight <= 1.0:
            raise ValueError(f'detail_weight must be in [0, 1], got {detail_weight}')
        if windows_per_forward is not None and windows_per_forward < 1:
            raise ValueError(f'windows_per_forward must be at least 1, got {windows_per_forward}')
        self.attention_head = MMSEG_MODELS.build({**decode_head, **(attention_head or {})})
        self.detail_size = tuple(detail_size)
        self.stride = stride
        self.shares = {'decode': 1.0 - detail_weight, 'detail': detail_weight}
        self.windows_per_forward = windows_per_forward
        self.include_last_corner = include_last_corner

    def encode(self, images: Tensor, backbone: nn.Module | None = None) -> tuple[Tensor, ...]:
        """Return the backbone's features of the context.

        Args:
            images: (B, 3, H, W), normalised.
            backbone: another one to ask, None for its own.

        Returns:
            (B, C_i, H_i, W_i) per level, of images of half the size.
        """
        size = [extent // FACTOR for extent in images.shape[-2:]]
        halved = resize(images, size=size, mode='bilinear', align_corners=self.align_corners)
        return tuple((self.backbone if backbone is None else backbone)(halved))

    def decode(self, features: Sequence[Tensor], images: Tensor) -> list[HeadLogits]:
        """Return the two scores that are trained: fused, and of one random window.

        Args:
            features: what ``encode`` returned for the images.
            images: (B, 3, H, W), normalised.

        Returns:
            ``decode``, at the size of the images, and ``detail``, at that of its ``box``; the
            weights are their shares of the loss times the loss weight of the head.

        Raises:
            ValueError: if context and detail do not divide the images alike.
        """
        size = tuple(images.shape[-2:])
        if any(extent % self.multiple for extent in size):
            raise ValueError(
                f'HRDA trains on crops whose sides are multiples of {self.multiple}, got {size}: '
                'change crop_size'
            )
        box = draw_box(size, self.detail_size, self.multiple, include_last=self.include_last_corner)
        context, attention = self._context(features, images)
        window = box.of(images)
        detail = self._scores(window)
        fused = fuse(context, attention, detail, shrink(box, self.stride), self.align_corners)
        weight = loss_weight(self.decode_head)
        return [
            HeadLogits(name, self.shares[name] * weight, self._upsampled(scores, scored), place)
            for name, scores, scored, place in (
                ('decode', fused, images, None),
                ('detail', detail, window, box),
            )
        ]

    def decode_logits(self, images: Tensor) -> Tensor:
        """Return the scores that predict, with the detail of all of the image.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            (B, K, H, W), unnormalised.
        """
        height, width = images.shape[-2:]
        padded = self._padded(images)
        return self._upsampled(self._fused(padded), padded)[..., :height, :width]

    def extract_feat(self, inputs: Tensor) -> Sequence[Tensor]:
        """Return the features of the context, after the neck if there is one.

        Args:
            inputs: (B, 3, H, W), normalised.
        """
        return self._necked(self.encode(inputs))

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict[str, Any]]) -> Tensor:
        """Return what ``decode_logits`` does.

        Args:
            inputs: (B, 3, H, W), normalised.
            batch_img_metas: not used, the size is that of the images.
        """
        return self.decode_logits(inputs)

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> Losses:
        """Return the losses of supervised training, as MMSeg names and computes them.

        Args:
            inputs: (B, 3, H, W), normalised.
            data_samples: samples with ``gt_sem_seg``.

        Returns:
            ``decode.loss_ce`` and ``detail.loss_ce`` with their shares, and accuracies.
        """
        losses = {}
        for head in self.decode(self.encode(inputs), inputs):
            labels = [head.crop(sample.gt_sem_seg.data) for sample in data_samples]
            samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
            share = self.shares[head.name]
            for key, value in self.decode_head.loss_by_feat(head.logits, samples).items():
                losses[f'{head.name}.{key}'] = share * value if 'loss' in key else value
        return losses

    def _forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Tensor:
        """Return the fused scores as the head gives them, not upsampled."""
        return self._fused(self._padded(inputs))

    def _fused(self, images: Tensor) -> Tensor:
        """Return the fused scores of whole images, (B, K, H / stride, W / stride)."""
        context, attention = self._context(self.encode(images), images)
        boxes = slide_boxes(images.shape[-2:], self.detail_size)
        at_once = self.windows_per_forward or len(boxes)
        windows: list[Tensor] = []
        for start in range(0, len(boxes), at_once):
            part = boxes[start : start + at_once]
            scores = self._scores(torch.cat([box.of(images) for box in part]))
            windows += scores.unflatten(0, (len(part), images.shape[0])).unbind()
        detail = average_windows(windows, [shrink(box, self.stride) for box in boxes])
        return fuse(context, attention, detail, align_corners=self.align_corners)

    def _context(self, features: Sequence[Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and scale attention of the context, (B, K, h, w) each."""
        features = self._necked(features)
        scores = self.decode_head(features)
        self._check_stride(scores, [extent // FACTOR for extent in images.shape[-2:]])
        return scores, self.attention_head(features).sigmoid()

    def _scores(self, windows: Tensor) -> Tensor:
        """Return the scores of windows at full size."""
        scores = self.decode_head(self._necked(self.backbone(windows)))
        self._check_stride(scores, windows.shape[-2:])
        return scores

    def _necked(self, features: Sequence[Tensor]) -> Sequence[Tensor]:
        """Apply the neck, if there is one."""
        return self.neck(features) if self.with_neck else features

    def _padded(self, images: Tensor) -> Tensor:
        """Pad with the mean color until context and detail divide alike."""
        height, width = images.shape[-2:]
        return F.pad(images, (0, -width % self.multiple, 0, -height % self.multiple))

    def _upsampled(self, scores: Tensor, images: Tensor) -> Tensor:
        """Upsample as MMSeg's heads do before they score."""
        size = images.shape[-2:]
        return resize(scores, size=size, mode='bilinear', align_corners=self.align_corners)

    def _check_stride(self, scores: Tensor, size: Sequence[int]) -> None:
        """Refuse a head whose scores are not ``stride`` pixels apart."""
        if any(s * self.stride != e for s, e in zip(scores.shape[-2:], size, strict=True)):
            raise ValueError(
                f'stride={self.stride} does not fit {type(self.decode_head).__name__}: it scores '
                f'{tuple(size)} pixels by a map of {tuple(scores.shape[-2:])}; set the stride of '
                'dts.HRDAEncoderDecoder to the quotient'
            )
