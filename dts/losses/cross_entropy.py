"""Cross entropy with ignored pixels, class weights and per-pixel weights under one denominator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dts.registry import MODELS


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    pixel_weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int = 255,
    avg_non_ignore: bool = True,
) -> Tensor:
    """Return the weighted mean cross entropy over the valid pixels.

        L = sum_{i in V} q_i w_{y_i} CE_i / sum_{i in V} w_{y_i},   V = {i: y_i != ignore_index}

    The pixel weight q is no part of the denominator: a pixel that a threshold rejects (q = 0) still
    counts as valid, so fewer accepted pixels mean a smaller loss, as in FixMatch. Without class
    weights the denominator is |V|.

    Source: Sohn et al., NeurIPS 2020, Eq. (4) for the pixel weight; ``torch.nn.CrossEntropyLoss``
    for class weights.
    Deviation: MMSeg's ``CrossEntropyLoss`` averages over ignored pixels too and fails on class
    weights together with ignored pixels.

    Args:
        logits: (B, K, H, W), unnormalised; scored in float32 at least.
        labels: (B, H, W) int64 in [0, K-1] or ``ignore_index``.
        pixel_weight: (B, H, W), >= 0; None means 1 everywhere.
        class_weight: (K,), >= 0; None means 1 for every class.
        ignore_index: label of pixels that are left out.
        avg_non_ignore: False divides by the number of all pixels, ignored ones included, as DACS,
            DAFormer and MMSeg's default do; class weights then are no part of the denominator.

    Returns:
        Scalar; exactly 0 with zero gradient when no pixel is valid.

    Raises:
        ValueError: if the sizes of the arguments do not agree.
    """
    expected = (logits.shape[0], *logits.shape[2:])
    for name, tensor in (('labels', labels), ('pixel_weight', pixel_weight)):
        if tensor is not None and tensor.shape != expected:
            raise ValueError(
                f'{name} has shape {tuple(tensor.shape)}, logits {tuple(logits.shape)} ask for '
                f'{expected}'
            )
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    if class_weight is not None:
        class_weight = class_weight.to(logits)
    loss = F.cross_entropy(
        logits, labels, weight=class_weight, ignore_index=ignore_index, reduction='none'
    )  # (B, H, W), already times w_y, 0 where ignored
    valid_mask = labels != ignore_index
    if not avg_non_ignore:
        denominator = loss.new_full((), labels.numel())
    elif class_weight is None:
        denominator = valid_mask.sum().to(loss.dtype)
    else:
        # index_select: four times as fast on the CPU as indexing with a (B, H, W) tensor
        known_labels = labels.clamp(0, len(class_weight) - 1).flatten()
        weight_of_label = class_weight.index_select(0, known_labels).view_as(loss)
        denominator = (weight_of_label * valid_mask).sum()
    if pixel_weight is not None:
        loss = loss * pixel_weight
    return loss.sum() / denominator.clamp_min(torch.finfo(loss.dtype).tiny)


@MODELS.register_module()
class CrossEntropy(nn.Module):
    """Module shell of ``cross_entropy``.

    Args:
        class_weight: one weight >= 0 per class; None means 1 for every class.
        ignore_index: label of pixels that are left out.
        avg_non_ignore: whether ignored pixels are no part of the denominator.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        ignore_index: int = 255,
        avg_non_ignore: bool = True,
    ) -> None:
        super().__init__()
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        self.register_buffer('class_weight', weight, persistent=False)
        self.ignore_index = ignore_index
        self.avg_non_ignore = avg_non_ignore

    def forward(self, logits: Tensor, labels: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """Return the loss, see ``cross_entropy``.

        Args:
            logits: (B, K, H, W), unnormalised.
            labels: (B, H, W) int64 in [0, K-1] or the ignored label.
            pixel_weight: (B, H, W), >= 0, or None.

        Returns:
            Scalar.

        Raises:
            ValueError: if there is not one class weight per class, or the sizes do not agree.
        """
        if self.class_weight is not None and len(self.class_weight) != logits.shape[1]:
            raise ValueError(
                f'class_weight has {len(self.class_weight)} entries, the model scores '
                f'{logits.shape[1]} classes'
            )
        return cross_entropy(
            logits,
            labels,
            pixel_weight=pixel_weight,
            class_weight=self.class_weight,
            ignore_index=self.ignore_index,
            avg_non_ignore=self.avg_non_ignore,
        )
