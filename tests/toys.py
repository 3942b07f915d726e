"""Toy networks and batches: small enough to compute by hand, with BatchNorm and dropout in them."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from dts.registry import MODELS


@MODELS.register_module(force=True)
class ToyBackbone(BaseModule):
    """One 3x3 convolution, BatchNorm, ReLU and dropout at the size of the input."""

    def __init__(self, channels: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.dropout(self.norm(self.conv(images)).relu()),)


def toy_segmentor_config(
    num_classes: int = 3, channels: int = 8, dropout: float = 0.0
) -> ConfigDict:
    """Config of a stock ``EncoderDecoder``: conv + BatchNorm, then a 1x1 convolution as head."""
    config = dict(
        type='mmseg.EncoderDecoder',
        data_preprocessor=dict(
            type='mmseg.SegDataPreProcessor',
            mean=[127.5] * 3,
            std=[127.5] * 3,
            bgr_to_rgb=True,
            size_divisor=1,
            pad_val=0,
            seg_pad_val=255,
        ),
        backbone=dict(type='dts.ToyBackbone', channels=channels, dropout=dropout),
        decode_head=dict(
            type='mmseg.FCNHead',
            in_channels=channels,
            in_index=0,
            channels=channels,
            num_convs=0,
            concat_input=False,
            dropout_ratio=0.0,
            num_classes=num_classes,
            align_corners=False,
            loss_decode=dict(type='mmseg.CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    return ConfigDict(config)


def toy_sample(size: tuple[int, int], num_classes: int | None, rng: np.random.Generator) -> dict:
    """One image with labels, or without when ``num_classes`` is None."""
    image = torch.from_numpy(rng.integers(0, 256, (3, *size), dtype=np.uint8))
    sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size, img_path='toy.png'))
    if num_classes is not None:
        labels = torch.from_numpy(rng.integers(0, num_classes, (1, *size)))
        sample.gt_sem_seg = PixelData(data=labels)
    return dict(inputs=image, data_samples=sample)


def toy_batch(
    num_labeled: int = 2,
    num_unlabeled: int = 2,
    size: tuple[int, int] = (16, 16),
    num_classes: int = 3,
    seed: int = 0,
) -> dict:
    """A collated batch with the branches of a semi-supervised run."""
    rng = np.random.default_rng(seed)
    branches = {
        'labeled': [toy_sample(size, num_classes, rng) for _ in range(num_labeled)],
        'unlabeled_weak': [toy_sample(size, None, rng) for _ in range(num_unlabeled)],
    }
    branches['unlabeled_strong'] = [
        dict(inputs=255 - s['inputs'], data_samples=s['data_samples'].clone())
        for s in branches['unlabeled_weak']
    ]
    return {
        key: {name: [s[key] for s in samples] for name, samples in branches.items() if samples}
        for key in ('inputs', 'data_samples')
    }


def batch_of_two_views(num_unlabeled: int = 3, **kwargs) -> dict:
    """Toy batch with a second strong view, the first one at half of its brightness."""
    batch = toy_batch(num_unlabeled=num_unlabeled, **kwargs)
    batch['inputs']['unlabeled_strong_2'] = [
        image // 2 for image in batch['inputs']['unlabeled_strong']
    ]
    batch['data_samples']['unlabeled_strong_2'] = [
        sample.clone() for sample in batch['data_samples']['unlabeled_strong']
    ]
    return batch


def strip_data(batch: dict) -> None:
    """Move a batch to the device without data, in place; under ``FakeTensorMode``."""
    for part in batch.values():
        for branch, values in part.items():
            part[branch] = [value.to('meta') for value in values]


def uda_batch(seed: int = 0, count: int = 2, size: tuple[int, int] = (16, 16)) -> dict:
    """A collated batch with the branches of domain adaptation; target images carry no label."""
    rng = np.random.default_rng(seed)
    branches = {
        'source': [toy_sample(size, 3, rng) for _ in range(count)],
        'target': [toy_sample(size, None, rng) for _ in range(count)],
    }
    return {
        key: {name: [s[key] for s in samples] for name, samples in branches.items()}
        for key in ('inputs', 'data_samples')
    }
