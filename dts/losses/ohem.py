"""Cross entropy of hard pixels: what the model already knows of labelled images counts nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dts.losses.cross_entropy import cross_entropy
from dts.ranges import check_shares
from dts.registry import MODELS


@MODELS.register_module()
class OhemCrossEntropy(nn.Module):
    """Mean cross entropy over the pixels whose own class gets a low probability.

        L = 1/|H| sum_{i in H} CE_i,   H = {i in V: p_i(y_i) <= max(threshold, k-th smallest p)}

    with V the valid pixels of the batch and k = ``min_kept`` times its images: at least k pixels
    are kept, all valid ones if there are fewer. Pixels that come with weights are pseudo-labels;
    they are not mined, since the hard ones are often wrong: the loss is then that of
    ``dts.CrossEntropy``. So one ``criterion`` serves all terms of a method; not so in
    ``dts.CrossPseudoSupervision``, whose pseudo-labels carry no weights and would be mined.

    Source: LiheYoung/UniMatch, util/ohem.py, its loss of labelled Cityscapes images
    (threshold 0.7, 100 000 pixels of a crop of 769 x 769).
    Deviation: nothing is read back from the device. MMSeg's ``OHEMPixelSampler`` divides by all
    pixels instead of the kept ones, and reads sizes from the device.

    Args:
        threshold: probability in [0, 1] up to which a pixel is hard.
        min_kept: pixels per image, >= 1.
        ignore_index: label of pixels that are left out.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self, threshold: float = 0.7, min_kept: int = 100_000, ignore_index: int = 255
    ) -> None:
        super().__init__()
        check_shares(threshold=threshold)
        if not isinstance(min_kept, int) or min_kept < 1:
            raise ValueError(f'min_kept must be a number of pixels >= 1, got {min_kept!r}')
        self.threshold = threshold
        self.min_kept = min_kept
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, labels: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            logits: (B, K, H, W), unnormalised; scored in float32 at least.
            labels: (B, H, W) int64 in [0, K-1] or the ignored label.
            pixel_weight: (B, H, W), >= 0, of pseudo-labels; None for labels.

        Returns:
            Scalar; exactly 0 with zero gradient when no pixel is valid.
        """
        if pixel_weight is not None:
            return cross_entropy(
                logits, labels, pixel_weight=pixel_weight, ignore_index=self.ignore_index
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        loss = F.cross_entropy(logits, labels, ignore_index=self.ignore_index, reduction='none')
        probs = (-loss.detach()).exp()  # (B, H, W) of the own class; 1, the easiest, where ignored
        rank = min(self.min_kept * len(labels), labels.numel())
        hardest = probs.flatten().sort().values[rank - 1]
        kept = (probs <= hardest.clamp_min(self.threshold)) & (labels != self.ignore_index)
        return (loss * kept).sum() / kept.sum().clamp_min(1)
