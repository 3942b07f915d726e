"""DAFormer's head against counts and closed forms made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dts.models.daformer_head import DAFormerHead

LOSS = dict(type='mmseg.CrossEntropyLoss')


def head(**kwargs: object) -> DAFormerHead:
    settings = dict(
        in_channels=[1, 1], in_index=[0, 1], channels=1, num_classes=2, loss_decode=LOSS
    )
    return DAFormerHead(**{**settings, **kwargs}).eval()


def test_parameters_counted_by_hand_for_mit_b5() -> None:
    built = head(
        in_channels=[64, 128, 320, 512],
        in_index=[0, 1, 2, 3],
        channels=256,
        num_classes=19,
        norm_cfg=dict(type='BN'),
    )
    embedding = (64 + 128 + 320 + 512) * 256 + 4 * 256
    narrow = 1024 * 256 + 2 * 256  # 1x1 convolution and its BatchNorm
    separable = 1024 * 9 + 2 * 1024 + 1024 * 256 + 2 * 256
    bottleneck = 4 * 256 * 256 * 9 + 2 * 256
    classifier = 256 * 19 + 19
    expected = embedding + narrow + 3 * separable + bottleneck + classifier
    assert expected == 3_712_275  # the paper says 3.7 M
    assert sum(p.numel() for p in built.parameters()) == expected


def set_all(module: torch.nn.Module, value: float) -> None:
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, value)


def test_light_fusion_is_an_affine_map_of_constant_levels() -> None:
    built = head(dilations=())
    with torch.no_grad():
        for layer, weight, bias in zip(built.embed_layers, (2.0, 3.0), (0.5, -1.0), strict=True):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
        built.fuse_layer.conv.weight.copy_(torch.tensor([1.0, -2.0]).view(1, 2, 1, 1))
        built.fuse_layer.conv.bias.fill_(4.0)
        built.conv_seg.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        built.conv_seg.bias.copy_(torch.tensor([0.0, 10.0]))
        scores = built([torch.full((1, 1, 4, 6), 5.0), torch.full((1, 1, 2, 3), 2.0)])
    # 1 (2 5 + 0.5) - 2 (3 2 - 1) + 4 = 4.5
    expected = torch.tensor([4.5, 5.5]).view(1, 2, 1, 1).expand(1, 2, 4, 6)
    torch.testing.assert_close(scores, expected)
    with torch.no_grad():
        negative = built([torch.full((1, 1, 4, 6), -5.0), torch.full((1, 1, 2, 3), 2.0)])
    torch.testing.assert_close(negative[0, :, 0, 0], torch.tensor([0.0, 10.0]))  # ReLU


def reach(scores: Tensor, inputs: Tensor) -> set[tuple[int, int]]:
    """Offsets of the inputs that the score in the middle depends on."""
    row, column = scores.shape[2] // 2, scores.shape[3] // 2
    (gradient,) = torch.autograd.grad(scores[0, 0, row, column], inputs)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    return {(int(r) - row, int(c) - column) for r, c in zip(rows, columns, strict=True)}


@pytest.mark.parametrize('dilations', [(1, 6, 12, 18), (1, 3)])
def test_context_reaches_what_its_dilations_reach(dilations: tuple[int, ...]) -> None:
    built = head(dilations=dilations, norm_cfg=None)
    set_all(built, 1.0)
    levels = [torch.ones(1, 1, 41, 41, requires_grad=True), torch.ones(1, 1, 2, 2)]
    near = (-1, 0, 1)  # of the 3x3 bottleneck
    expected = {
        (branch_row + row, branch_column + column)
        for d in dilations
        for branch_row in ((0,) if d == 1 else (-d, 0, d))
        for branch_column in ((0,) if d == 1 else (-d, 0, d))
        for row in near
        for column in near
    }
    assert reach(built(levels), levels[0]) == expected


def test_smaller_levels_are_upsampled_bilinearly() -> None:
    built = head(dilations=(), norm_cfg=None)
    set_all(built, 1.0)
    with torch.no_grad():
        for layer in (*built.embed_layers, built.fuse_layer.conv, built.conv_seg):
            layer.bias.zero_()
        small = torch.tensor([[0.0, 4.0]]).view(1, 1, 1, 2)
        scores = built([torch.zeros(1, 1, 2, 4), small])
    expected = torch.tensor([0.0, 1.0, 3.0, 4.0]).expand(1, 2, 2, 4)
    torch.testing.assert_close(scores, expected)
