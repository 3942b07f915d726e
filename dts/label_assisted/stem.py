"""The first convolution of a backbone, widened from the image to the image and a code.

Three steps, since every part of a run has its time: optimizers and DDP note the shapes of weights
when they are built, so the convolution is widened with the network (``widen_stem``); initialisers
and pretrained files know three channels only, so they are shown those alone (``image_stem``); the
new slices are drawn last (``fill_code_slices``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

StemInit = float | Literal['match_rgb', 'zero']

IMAGE_CHANNELS = 3


def find_stem(backbone: nn.Module) -> str:
    """Return the name of the convolution that sees the image: the only one with three inputs.

    Holds for ResNetV1c, ResNet, MixVisionTransformer, STDCNet (with and without context path),
    HRNet and EfficientNetLite. Were it another one, the first forward would fail on its channels.

    Args:
        backbone: backbone of a segmentor.

    Returns:
        Dotted name inside of the backbone.

    Raises:
        ValueError: if there is none, there are several, it is grouped, or it is frozen.
    """
    stems = {
        name: module
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d) and module.in_channels == IMAGE_CHANNELS
    }
    kind = type(backbone).__name__
    if len(stems) != 1:
        found = f'{len(stems)} ({", ".join(stems)})' if stems else 'none'
        raise ValueError(
            f'cannot widen the stem of {kind}: it must have one convolution with '
            f'{IMAGE_CHANNELS} input channels, the one that sees the image; found {found}. Leave '
            'in_channels at 3, and take a backbone with a single stem (ResNet, MiT, STDC, HRNet, '
            'EfficientNetLite)'
        )
    ((name, stem),) = stems.items()
    if stem.groups != 1:
        raise ValueError(f'cannot widen {name} of {kind}: it has {stem.groups} groups, 1 is needed')
    if not stem.weight.requires_grad:
        raise ValueError(
            f'cannot widen {name} of {kind}: it is frozen and would never learn to read the code; '
            'set frozen_stages=-1 on the backbone'
        )
    return name


def widen_stem(stem: nn.Conv2d, num_channels: int) -> None:
    """Append input channels to a convolution; their weights are 0 until they are filled.

    Args:
        stem: convolution of the image; its weight becomes another parameter, so this comes before
            optimizers and DDP.
        num_channels: C, channels of the code.
    """
    image_weight = stem.weight.detach()
    height, width = image_weight.shape[2:]
    code_weight = image_weight.new_zeros(stem.out_channels, num_channels, height, width)
    stem.weight = nn.Parameter(torch.cat([image_weight, code_weight], dim=1))
    stem.in_channels = IMAGE_CHANNELS + num_channels


@contextmanager
def image_stem(stem: nn.Conv2d) -> Iterator[None]:
    """Show the slices of the image alone for a while, then put what became of them back.

    The parameter stays the same object: optimizers and DDP hold it.

    Args:
        stem: widened convolution.

    Yields:
        Nothing.
    """
    wide = stem.weight.data
    stem.weight.data = _image_slices(wide).clone()
    try:
        yield
    finally:
        _image_slices(wide).copy_(stem.weight.data)
        stem.weight.data = wide


@torch.no_grad()
def fill_code_slices(stem: nn.Conv2d, stem_init: StemInit) -> tuple[float, float]:
    """Draw the weights of the code; those of the image stay as they are, bit for bit.

    Behind a normalization only the ratio of the two counts.

    Args:
        stem: widened convolution.
        stem_init: standard deviation of N(0, s^2) (0.1 in the released code), ``match_rgb`` for
            that of the image slices, or ``zero``: then the network starts as that of the image.

    Returns:
        Standard deviations of the code and of the image slices.

    Raises:
        ValueError: if ``stem_init`` is unknown.
    """
    check_stem_init(stem_init)
    image_std = _image_slices(stem.weight).std().item()
    code_std = {'zero': 0.0, 'match_rgb': image_std}.get(str(stem_init), stem_init)
    stem.weight[:, IMAGE_CHANNELS:].normal_(std=float(code_std))
    return float(code_std), image_std


def check_stem_init(stem_init: StemInit) -> None:
    """Refuse what ``fill_code_slices`` does not know.

    Args:
        stem_init: standard deviation or name.

    Raises:
        ValueError: if it is neither a number >= 0 nor a known name.
    """
    is_number = isinstance(stem_init, (int, float)) and stem_init >= 0
    if not is_number and stem_init not in ('match_rgb', 'zero'):
        raise ValueError(
            "stem_init must be a standard deviation >= 0 such as 0.1, 'match_rgb' or 'zero', got "
            f'{stem_init!r}'
        )


def _image_slices(weight: Tensor) -> Tensor:
    """Return a view of the weights that the image meets."""
    return weight[:, :IMAGE_CHANNELS]
