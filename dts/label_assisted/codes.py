"""Codes that show labels to a network as further input channels.

    y        labels, ignore_index where ignored    labels
    W_b      code of every class in image b        class_codes
    e        noise of a pixel                      pixel_sigma
    K        classes; code K is that of ignored and padded pixels

Axes: ``B`` batch, ``C`` channels of the code, ``H W`` height and width.

Source: Qiu et al., ECCV 2024; released code skyshoumeng/Label_Assisted_Distillation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dts.registry import MODELS

CodeFamily = Callable[[int, int, torch.device], Tensor]
REDRAWS = ('image', 'batch')


def gaussian(num_tables: int, num_classes: int, device: torch.device) -> Tensor:
    """Draw the code of every class from N(0, 1).

    Args:
        num_tables: T, independent tables.
        num_classes: K.
        device: where the codes are made.

    Returns:
        (T, K+1, 1).
    """
    return torch.randn(num_tables, num_classes + 1, 1, device=device)


def fixed_ramp(num_tables: int, num_classes: int, device: torch.device) -> Tensor:
    """Return r_k = (k - (K+1)/2) / ((K-1)/2): codes at equal distance, the same in every table.

    From -(K+1)/(K-1) for class 0 to 1 for ignored pixels; K = 1 is divided as K = 2 is.

    Args:
        num_tables: T, tables.
        num_classes: K.
        device: where the codes are made.

    Returns:
        (T, K+1, 1).
    """
    numbers = torch.arange(num_classes + 1, device=device, dtype=torch.float32)
    ramp = (numbers - (num_classes + 1) / 2) / (max(num_classes - 1, 1) / 2)
    return ramp[None, :, None].expand(num_tables, -1, -1)


def permuted_ramp(num_tables: int, num_classes: int, device: torch.device) -> Tensor:
    """Return the codes of ``fixed_ramp``, dealt to the classes at random in every table.

    Args:
        num_tables: T, independent tables.
        num_classes: K.
        device: where the codes are made.

    Returns:
        (T, K+1, 1).
    """
    order = torch.rand(num_tables, num_classes + 1, 1, device=device).argsort(dim=1)
    return fixed_ramp(num_tables, num_classes, device).gather(1, order)


def one_hot(num_tables: int, num_classes: int, device: torch.device) -> Tensor:
    """Return a channel for every class and one for ignored pixels: 1 in its own, 0 elsewhere.

    The only family that says *which* class a pixel has and not only which pixels share one.

    Args:
        num_tables: T, tables.
        num_classes: K.
        device: where the codes are made.

    Returns:
        (T, K+1, K+1).
    """
    return torch.eye(num_classes + 1, device=device).expand(num_tables, -1, -1)


FAMILIES: dict[str, CodeFamily] = {
    family.__name__: family for family in (gaussian, fixed_ramp, permuted_ramp, one_hot)
}


def look_up(class_codes: Tensor, labels: Tensor, ignore_index: int = 255) -> Tensor:
    """Return the code of every pixel, by one gather.

    The loop form, one masked write per class::

        for k in range(num_classes + 1):
            code = where(labels == (ignore_index if k == num_classes else k), class_codes[k], code)

    Args:
        class_codes: (B, K+1, C), row K for ignored pixels.
        labels: (B, H, W) int64 in [0, K-1] or ``ignore_index``.
        ignore_index: label of ignored pixels.

    Returns:
        (B, C, H, W).
    """
    num_classes = class_codes.shape[1] - 1
    rows = torch.where(labels == ignore_index, num_classes, labels).flatten(1)  # (B, HW)
    table = class_codes.transpose(1, 2)  # (B, C, K+1), so that the codes come out contiguous
    codes = table.gather(2, rows[:, None].expand(-1, table.shape[1], -1))
    return codes.unflatten(2, labels.shape[1:])


def check_ignored(of_codes: int, of_criterion: int, where: str) -> None:
    """Refuse codes that take another label for ignored: they would code a class that is none.

    Args:
        of_codes: their ``ignore_index``.
        of_criterion: that of the loss of labels.
        where: the codes in the config.

    Raises:
        ValueError: if they differ.
    """
    if of_codes != of_criterion:
        raise ValueError(
            f'{where} takes the label {of_codes} for ignored, the criterion {of_criterion}: set '
            f'ignore_index={of_criterion} in codes of the network that sees labels (and train it '
            'with that), or the ignore_index of the criterion'
        )


@MODELS.register_module()
class LabelCodes(nn.Module):
    """Turns labels into noisy codes, in units of normalised images.

        code_b(p) = scale W_b[y(p)] + pixel_sigma e_p,   e_p ~ N(0, 1)

    The numbers of the paper are grey levels of an image that is not divided by its standard
    deviation: 100, and 0.03 or 0.02 of it. Divided by MMSeg's mean standard deviation of 57.63 they
    are 1.735, and 0.052 (teacher) or 0.035 (student's stage). Draws come from the global generator
    of the labels' device.

    Args:
        num_classes: K; ``dts.LabelAssistedEncoderDecoder`` sets it.
        family: ``gaussian``, ``permuted_ramp``, ``fixed_ramp`` or ``one_hot`` (K+1 channels).
        scale: of the codes, >= 0; their standard deviation in the family ``gaussian``.
        pixel_sigma: standard deviation >= 0 of the noise, drawn for every pixel and channel.
        redraw: ``image`` gives every image codes of its own, ``batch`` one set to the batch; acts
            on the families that are drawn.
        channel_drop: share in [0, 1] of the images whose code is 0 everywhere in training, so that
            the network also learns to do without.
        ignore_index: label of pixels without a class.

    Raises:
        ValueError: if a name is unknown or a number out of range.
    """

    def __init__(
        self,
        num_classes: int,
        family: str = 'gaussian',
        *,
        scale: float = 1.735,
        pixel_sigma: float = 0.052,
        redraw: str = 'image',
        channel_drop: float = 0.0,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        if family not in FAMILIES:
            raise ValueError(
                f'family of the label codes must be one of {list(FAMILIES)}, got {family!r}'
            )
        if redraw not in REDRAWS:
            raise ValueError(f'redraw of the label codes must be one of {REDRAWS}, got {redraw!r}')
        if num_classes < 1 or scale < 0 or pixel_sigma < 0 or not 0 <= channel_drop <= 1:
            raise ValueError(
                'label codes need num_classes >= 1, scale >= 0, pixel_sigma >= 0 and channel_drop '
                f'in [0, 1], got {num_classes}, {scale}, {pixel_sigma} and {channel_drop}'
            )
        self.num_classes = num_classes
        self.family = family
        self.scale = scale
        self.pixel_sigma = pixel_sigma
        self.redraw = redraw
        self.channel_drop = channel_drop
        self.ignore_index = ignore_index

    @property
    def num_channels(self) -> int:
        """C, the input channels that a code takes."""
        return self.num_classes + 1 if self.family == 'one_hot' else 1

    def forward(self, labels: Tensor) -> Tensor:
        """Return the codes of a batch.

        Args:
            labels: (B, H, W) int64 in [0, K-1] or ``ignore_index``.

        Returns:
            (B, C, H, W) float32.
        """
        num_tables = len(labels) if self.redraw == 'image' else 1
        class_codes = FAMILIES[self.family](num_tables, self.num_classes, labels.device)
        class_codes = class_codes.expand(len(labels), -1, -1)
        codes = self.scale * look_up(class_codes, labels, self.ignore_index)
        codes = codes + self.pixel_sigma * torch.randn_like(codes)
        if self.training and self.channel_drop > 0:
            draws = torch.rand(len(labels), 1, 1, 1, device=labels.device)
            codes = codes * (draws >= self.channel_drop)
        return codes
