"""Distillation of class scores, pixel by pixel."""

from __future__ import annotations

from torch import Tensor, nn

from dts.distill.losses.maps import check_temperature, masked_mean, prepare
from dts.registry import MODELS


@MODELS.register_module()
class LogitKD(nn.Module):
    """KL divergence between class distributions, averaged over valid pixels.

        L = T^2 / |V| sum_{p in V} KL(softmax(t_p / T) || softmax(s_p / T))

    Source: Hinton et al., 2015 (arXiv 1503.02531); weight 1 at T = 1 in winycg/CIRKD, which counts
    ignored pixels too.
    Deviation: none. MMSeg's ``KLDivLoss`` takes probabilities for log-probabilities; MMRazor's
    divides by the batch only, so that its weights are h w times smaller.

    Args:
        temperature: T > 0.

    Raises:
        ValueError: if it is not positive.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            student: (B, K, h, w), unnormalised scores.
            teacher: (B, K, h, w).
            valid: (B, h, w) bool, True = counts; None counts every pixel.

        Returns:
            Scalar >= 0; 0 for equal scores.
        """
        student, teacher, valid = prepare(student, teacher, valid)
        log_student = (student / self.temperature).log_softmax(dim=1)
        log_teacher = (teacher / self.temperature).log_softmax(dim=1)
        divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)  # (B, h, w)
        return self.temperature**2 * masked_mean(divergence, valid)
