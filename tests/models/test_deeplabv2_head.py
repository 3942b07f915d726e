"""DeepLabV2's head against sums made by hand."""

from __future__ import annotations

import torch

from dts.models.deeplabv2_head import DeepLabV2Head


def head(in_channels: int = 1, num_classes: int = 1, **kwargs: object) -> DeepLabV2Head:
    loss = dict(type='mmseg.CrossEntropyLoss')
    return DeepLabV2Head(
        in_channels=in_channels,
        in_index=-1,
        num_classes=num_classes,
        threshold=0.5,
        loss_decode=loss,
        **kwargs,
    )


def test_an_impulse_shows_every_branch_at_its_dilation() -> None:
    built = head()
    with torch.no_grad():
        for index, branch in enumerate(built.conv_seg):
            branch.conv.weight.fill_(-(10.0**index))
            branch.conv.bias.fill_(-0.25)
        impulse = torch.zeros(1, 1, 51, 51)
        impulse[..., 25, 25] = 1.0
        scores = built([torch.full((1, 1, 3, 3), 9.0), impulse])[0, 0]
    expected = torch.full((51, 51), -1.0)  # four biases
    for index, dilation in enumerate((6, 12, 18, 24)):
        for row in (-dilation, 0, dilation):
            for column in (-dilation, 0, dilation):
                expected[25 + row, 25 + column] -= 10.0**index
    assert float(expected[25, 25]) == -1112.0
    torch.testing.assert_close(scores, expected)


def test_parameters_counted_by_hand_for_resnet() -> None:
    built = head(in_channels=2048, num_classes=19)
    assert sum(p.numel() for p in built.parameters()) == 4 * (2048 * 9 * 19 + 19)
    assert all(name.startswith('conv_seg.') for name in built.state_dict())


def test_weights_start_near_zero() -> None:
    built = head(in_channels=64, num_classes=19, dilations=(6, 12))
    assert len(built.conv_seg) == 2
    built.init_weights()
    for branch in built.conv_seg:
        torch.testing.assert_close(float(branch.conv.weight.std()), 0.01, rtol=0.05, atol=0.0)
        assert float(branch.conv.bias.abs().max()) == 0.0
