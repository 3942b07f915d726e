"""TensorFlow 'same' padding and the inverted residual block, in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dts.models.inverted_residual import InvertedResidual, SameConv2d, same_padding


@pytest.mark.parametrize(
    ('size', 'kernel_size', 'stride', 'expected'),
    [
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (224, 5, 2, (1, 2)),
        (225, 5, 2, (2, 2)),
        (10, 3, 1, (1, 1)),
        (10, 5, 1, (2, 2)),
        (10, 1, 1, (0, 0)),
        (1, 3, 2, (1, 1)),
    ],
)
def test_same_padding(size: int, kernel_size: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(size, kernel_size, stride) == expected


def test_same_convolution_counts_covered_pixels() -> None:
    conv = SameConv2d(1, 1, 3, stride=2)
    nn.init.ones_(conv.weight)
    even, odd = conv(torch.ones(1, 1, 4, 4)), conv(torch.ones(1, 1, 5, 5))
    mixed = conv(torch.ones(1, 1, 4, 5))
    torch.testing.assert_close(even[0, 0], torch.tensor([[9.0, 6], [6, 4]]))
    torch.testing.assert_close(odd[0, 0], torch.tensor([[4.0, 6, 4], [6, 9, 6], [4, 6, 4]]))
    torch.testing.assert_close(mixed[0, 0], torch.tensor([[6.0, 9, 6], [4, 6, 4]]))


def test_dropped_branch_leaves_the_shortcut() -> None:
    block = InvertedResidual(
        8,
        8,
        kernel_size=3,
        stride=1,
        expansion=2,
        norm_cfg={'type': 'BN'},
        drop_path_rate=0.5,
    ).train()
    x = torch.arange(64 * 8 * 4, dtype=torch.float32).reshape(64, 8, 2, 2)
    is_kept = (block(x) - x).abs().amax(dim=(1, 2, 3)) > 0
    assert 15 < int(is_kept.sum()) < 49  # 5 standard deviations around 32 of 64
