"""Colour jitter and blur of a batch on its device, per image, without waiting for the device.

Images are float in [0, 1], (B, 3, H, W), channels red, green, blue.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dts.registry import MODELS

# Rec. 601 luma, as OpenCV and torchvision weigh the channels
LUMA = (0.299, 0.587, 0.114)
BLUR_SIGMA = (0.15, 1.15)
Adjustments = Literal['pillow', 'kornia']
# four times the largest sigma: what is cut off weighs less than 1e-4
BLUR_RADIUS = 5


@MODELS.register_module()
class ColorAugmentation(nn.Module):
    """Jitter of brightness, contrast, saturation and hue, then Gaussian blur, on normalised images.

    Every image draws for itself. Images go back to [0, 1] first and are normalised again after it.

    Source: strong augmentation of DACS and DAFormer, lhoyer/DAFormer mmseg/models/utils/
    dacs_transforms.py: jitter in 80 % of the draws (there "0.2", a threshold on the draw), blur
    with sigma 0.15-1.15 in 50 %.
    Deviation: every image draws whether it is jittered and blurred, see ``per_batch``; the four
    adjustments act in this order instead of a random one; by default they are those of Pillow, see
    ``adjustments``; the blur's kernel is 11 wide instead of a tenth of the image, which at these
    sigmas is the same to 1e-4.

    Args:
        strength: s; factors of brightness, contrast and saturation are uniform in [1 - s, 1 + s],
            the shift of the hue in [-s, s] turns. DACS: 0.25, DAFormer: 0.2.
        jitter_probability: in [0, 1].
        blur_probability: in [0, 1].
        adjustments: what a factor f does. ``pillow``, as torchvision: brightness times f, contrast
            and saturation blend with grey. ``kornia`` (parity), as kornia 0.5.8 in the released
            code: brightness plus f - 1, contrast times f, saturation of HSV times f.
        per_batch: True (parity) draws once for the whole batch whether it is jittered and whether
            it is blurred, as the released code of DACS, DAFormer, HRDA and MIC does: a step has
            only jittered images or none. Factors and sigmas are each image's own in any case.

    Raises:
        ValueError: if a probability is out of range, ``strength`` is not in [0, 0.5] or
            ``adjustments`` is unknown.
    """

    def __init__(
        self,
        strength: float = 0.2,
        jitter_probability: float = 0.8,
        blur_probability: float = 0.5,
        *,
        adjustments: Adjustments = 'pillow',
        per_batch: bool = False,
    ) -> None:
        super().__init__()
        if adjustments not in get_args(Adjustments):
            names = get_args(Adjustments)
            raise ValueError(f'adjustments must be one of {names}, got {adjustments!r}')
        for name, value, high in (
            ('strength', strength, 0.5),
            ('jitter_probability', jitter_probability, 1.0),
            ('blur_probability', blur_probability, 1.0),
        ):
            if not 0.0 <= value <= high:
                raise ValueError(f'{name} must be in [0, {high}], got {value}')
        self.strength = strength
        self.jitter_probability = jitter_probability
        self.blur_probability = blur_probability
        self.adjustments: Adjustments = adjustments
        self.per_batch = per_batch

    def forward(self, images: Tensor, preprocessor: Any) -> Tensor:
        """Return augmented images.

        Args:
            images: (B, 3, H, W), normalised by ``preprocessor``.
            preprocessor: data preprocessor of the student, with ``mean``, ``std`` (in [0, 255]) and
                ``channel_conversion`` (whether it turned blue-green-red into red-green-blue).

        Returns:
            (B, 3, H, W), normalised.

        Raises:
            ValueError: if ``preprocessor`` does not normalise.
        """
        mean, std = (values.to(images) for values in mean_and_std(preprocessor))
        is_rgb = preprocessor.channel_conversion
        colors = ((images * std + mean) / 255.0).clamp(0.0, 1.0)
        colors = colors if is_rgb else colors.flip(1)

        draws = torch.rand(7, len(images), 1, 1, 1, device=images.device, dtype=images.dtype)
        decisions = draws[:, :1] if self.per_batch else draws
        factors = 1.0 + self.strength * (2.0 * draws[:3] - 1.0)
        shift = self.strength * (2.0 * draws[3] - 1.0)
        jittered = colors
        for adjust, factor in zip(ADJUSTMENTS[self.adjustments], factors, strict=True):
            jittered = adjust(jittered, factor)
        jittered = shift_hue(jittered, shift)
        colors = torch.where(decisions[4] < self.jitter_probability, jittered, colors)

        low, high = BLUR_SIGMA
        with _own_precision(colors):
            blurred = gaussian_blur(colors, (low + (high - low) * draws[5]).flatten())
        colors = torch.where(decisions[6] < self.blur_probability, blurred, colors)

        colors = colors if is_rgb else colors.flip(1)
        return (colors * 255.0 - mean) / std


def mean_and_std(preprocessor: Any) -> tuple[Tensor, Tensor]:
    """Return how images were normalised, for those who need their colours back.

    Args:
        preprocessor: data preprocessor of a student.

    Returns:
        (3, 1, 1) each, of values in [0, 255].

    Raises:
        ValueError: if it does not normalise.
    """
    if not hasattr(preprocessor, 'mean'):
        raise ValueError(
            'colours of normalised images need student.data_preprocessor.mean and .std, which are '
            'not set: give both there (mean=[0] * 3, std=[1] * 3 for images in [0, 255])'
        )
    return preprocessor.mean, preprocessor.std


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply and clamp to [0, 1].

    Args:
        images: (B, 3, H, W) in [0, 1].
        factor: (B, 1, 1, 1) >= 0; 0 gives black, 1 the image.
    """
    return (images * factor).clamp(0.0, 1.0)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the mean grey of the image and clamp to [0, 1].

    Args:
        images: (B, 3, H, W) in [0, 1].
        factor: (B, 1, 1, 1) >= 0; 0 gives flat grey, 1 the image.
    """
    mean = _grey(images).mean(dim=(1, 2, 3), keepdim=True)
    return (factor * images + (1.0 - factor) * mean).clamp(0.0, 1.0)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the grey image and clamp to [0, 1].

    Args:
        images: (B, 3, H, W) in [0, 1].
        factor: (B, 1, 1, 1) >= 0; 0 gives grey, 1 the image.
    """
    return (factor * images + (1.0 - factor) * _grey(images)).clamp(0.0, 1.0)


def add_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Add ``factor - 1`` and clamp to [0, 1].

    Args:
        images: (B, 3, H, W) in [0, 1].
        factor: (B, 1, 1, 1) in [0, 2]; 0 gives black, 1 the image, 2 white.
    """
    return (images + (factor - 1.0)).clamp(0.0, 1.0)


def scale_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the saturation of HSV, at most 1 after it; hue and value are kept.

    Args:
        images: (B, 3, H, W) in [0, 1].
        factor: (B, 1, 1, 1) >= 0; 0 gives grey of the same value, 1 the image.
    """
    value, smallest = images.amax(dim=1, keepdim=True), images.amin(dim=1, keepdim=True)
    # saturation is chroma over value: at most so often fits into 1
    largest = value / (value - smallest).clamp_min(torch.finfo(images.dtype).tiny)
    return value - (value - images) * torch.minimum(factor, largest)


def shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue, value and saturation of HSV kept.

    Args:
        images: (B, 3, H, W) in [0, 1].
        shift: (B, 1, 1, 1) in turns; 1/3 makes red green.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    value, smallest = images.amax(dim=1), images.amin(dim=1)  # (B, H, W) each
    chroma = value - smallest
    safe = torch.where(chroma > 0, chroma, 1.0)
    red, green, blue = images.unbind(dim=1)
    sector = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe),
    )  # in [-1, 5], sixths of a turn
    sector = sector + 6.0 * shift[:, 0]
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = torch.remainder(offset + sector, 6.0)
        channels.append(value - chroma * torch.minimum(k, 4.0 - k).clamp(0.0, 1.0))
    return torch.stack(channels, dim=1)


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur every image with a kernel of its own, the border reflected.

    Args:
        images: (B, C, H, W), H and W larger than ``BLUR_RADIUS``.
        sigma: (B,) standard deviation in pixels, > 0.

    Returns:
        (B, C, H, W).
    """
    batch_size, num_channels, height, width = images.shape
    offsets = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (offsets / sigma[:, None]) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)  # (B, 11)
    kernels = kernels.repeat_interleave(num_channels, dim=0)[:, None]  # (B C, 1, 11)
    padded = F.pad(images, (BLUR_RADIUS,) * 4, mode='reflect')
    stacked = padded.reshape(1, batch_size * num_channels, *padded.shape[-2:])
    groups = batch_size * num_channels
    rows = F.conv2d(stacked, kernels[:, :, None, :], groups=groups)
    blurred = F.conv2d(rows, kernels[:, :, :, None], groups=groups)
    return blurred.reshape(batch_size, num_channels, height, width)


# brightness, contrast and saturation
ADJUSTMENTS = {
    'pillow': (adjust_brightness, adjust_contrast, adjust_saturation),
    # a contrast that multiplies is what is called brightness elsewhere
    'kornia': (add_brightness, adjust_brightness, scale_saturation),
}


def _own_precision(images: Tensor) -> AbstractContextManager[Any]:
    """Switch autocast off: its convolutions would round colours to a step of 1/256 and coarser."""
    kind = images.device.type
    if not torch.amp.is_autocast_available(kind):  # meta tensors of the tests of devices
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def _grey(images: Tensor) -> Tensor:
    """Return the luma, (B, 1, H, W)."""
    red, green, blue = images.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
