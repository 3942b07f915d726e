"""Dropout of whole channels of feature maps, the feature perturbation of the UniMatch family."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def drop_channels(features: Sequence[Tensor], rate: float) -> list[Tensor]:
    """Drop channels of every level independently; kept ones are scaled by 1 / (1 - rate).

    Source: Yang et al. (UniMatch), CVPR 2023: ``Dropout2d(0.5)`` on the features of the encoder.

    Args:
        features: (B, C_i, H_i, W_i) per level.
        rate: probability in [0, 1) that a channel of an image is dropped.

    Returns:
        New feature maps of the same shapes.
    """
    return [F.dropout2d(feature, rate, training=True) for feature in features]


def drop_complementary(features: Sequence[Tensor]) -> list[Tensor]:
    """Split the channels of two views of each image between them.

    With m ~ Bernoulli(1/2) per pair, level and channel, the first view is multiplied by 2 m, the
    second by 2 - 2 m; half of the pairs, at random, stay whole.

    Source: Yang et al. (UniMatch V2), 2025, complementary dropout.
    Deviation: every level draws its own mask, since levels of a CNN have different channels (there:
    one mask for all levels of a ViT); pairs stay whole with probability 1/2 each (there: exactly
    half of the batch).

    Args:
        features: (2 B, C_i, H_i, W_i) per level, the first B images are the first views.

    Returns:
        New feature maps of the same shapes.
    """
    num_pairs = len(features[0]) // 2
    device = features[0].device
    is_whole = torch.empty(num_pairs, 1, 1, 1, device=device).bernoulli_(0.5).bool()
    dropped = []
    for feature in features:
        mask = torch.empty(num_pairs, feature.shape[1], 1, 1, device=device).bernoulli_(0.5)
        first = torch.where(is_whole, 1.0, 2.0 * mask).to(feature.dtype)  # (B, C, 1, 1)
        dropped.append(feature * torch.cat([first, 2.0 - first]))
    return dropped
