"""Distillation of features: their values, or where they are strong."""

from __future__ import annotations

from torch import Tensor, nn

from dts.distill.losses.maps import masked_mean, prepare
from dts.registry import MODELS


@MODELS.register_module()
class FeatureMSE(nn.Module):
    """Mean squared error of features: FitNet, with ``dts.ConvAdapter`` as its regressor.

        L = 1 / (C |V|) sum_{p in V} ||s_p - t_p||^2

    Source: Romero et al., ICLR 2015 (arXiv 1412.6550); weight 10 beside LogitKD in winycg/CIRKD,
    which averages over N C H W too.
    Deviation: none.
    """

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            student: (B, C, h, w).
            teacher: (B, C, h, w).
            valid: (B, h, w) bool, True = counts; None counts every position.

        Returns:
            Scalar >= 0; 0 for equal features.
        """
        student, teacher, valid = prepare(student, teacher, valid)
        return masked_mean((student - teacher).square().mean(dim=1), valid)


@MODELS.register_module()
class AttentionTransfer(nn.Module):
    """Squared error of attention maps, which show where features are strong.

        L = 1 / |V| sum_{p in V} (a(s)_p - a(t)_p)^2,   a(f) = m / ||m||,  m_p = mean_c f_{c,p}^2

    with the norm over the valid positions of an image. The two maps may differ in channels.

    Source: Zagoruyko and Komodakis, ICLR 2017 (arXiv 1612.03928); weight 1e4 beside LogitKD in
    winycg/CIRKD, which averages over N H W too.
    Deviation: none.
    """

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            student: (B, C_S, h, w).
            teacher: (B, C_T, h, w).
            valid: (B, h, w) bool, True = counts; None counts every position.

        Returns:
            Scalar >= 0; 0 for equal features.
        """
        student, teacher, valid = prepare(student, teacher, valid, any_channels=True)
        return masked_mean((_attention(student) - _attention(teacher)).square(), valid)


def _attention(features: Tensor) -> Tensor:
    """Return (B, h, w) of unit length per image; 0 where features are."""
    strength = features.square().mean(dim=1)
    # The square of the strength is of fourth order: 1e-12 is a feature of 1e-3.
    return strength * (strength.square().sum(dim=(1, 2), keepdim=True) + 1e-12).rsqrt()
