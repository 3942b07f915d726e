"""Thing-class feature distance: the encoder must not forget what ImageNet taught it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def feature_distance(
    features: Tensor,
    features_reference: Tensor,
    labels: Tensor,
    num_classes: int,
    classes: Sequence[int],
    min_share: float = 0.75,
) -> Tensor:
    """Return the mean distance of two feature maps where a class of the list prevails.

        mean over positions i with dominant class in ``classes`` and its share >= min_share of
        ||F_i - R_i||_2

    Source: Hoyer et al. (DAFormer), CVPR 2022, Eq. (7)-(9); lhoyer/DAFormer mmseg/models/uda/
    dacs.py ``calc_feat_dist``.
    Deviation: an empty selection gives 0 with zero gradient (there NaN in the log).

    Args:
        features: (B, C, h, w) of the student.
        features_reference: (B, C, h, w) of the frozen reference, without gradient.
        labels: (B, H, W) int64 in [0, num_classes - 1], other values = no class.
        num_classes: K.
        classes: the thing classes.
        min_share: share in [0, 1] of the pixels under a position that its class must have.

    Returns:
        Scalar >= 0.
    """
    slots = labels.where((labels >= 0) & (labels < num_classes), num_classes)
    # float32 under autocast too: in bfloat16 a share of 0.499 is 0.5
    size = (len(labels), num_classes + 1, *labels.shape[-2:])
    one_hot = torch.zeros(size, device=labels.device)
    one_hot = one_hot.scatter(1, slots[:, None], 1.0)[:, :num_classes]  # (B, K, H, W)
    # Shares of all pixels under a position, those without a class included.
    height, width = features.shape[-2:]
    shares = F.adaptive_avg_pool2d(one_hot, (height, width))  # (B, K, h, w)
    share, dominant = shares.max(dim=1)
    is_thing = sum((dominant == index) for index in classes)
    selected = (share >= min_share) & (is_thing > 0)  # (B, h, w)
    precise = torch.promote_types(features.dtype, torch.float32)
    difference = features.to(precise) - features_reference.to(precise)
    distance = difference.norm(dim=1)  # (B, h, w)
    return (distance * selected).sum() / selected.sum().clamp_min(1)
