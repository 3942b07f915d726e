"""Feature losses by hand and against loops."""

import pytest
import torch

from dts.distill.losses.feature import AttentionTransfer, FeatureMSE


def test_mean_squared_error_over_valid_positions_and_channels():
    student, teacher = torch.randn(2, 2, 3, 2, 4, dtype=torch.float64)
    valid = torch.rand(2, 2, 4) > 0.4
    student.requires_grad_()
    squares = [
        (student[b, c, row, column] - teacher[b, c, row, column]) ** 2
        for b, row, column in valid.nonzero().tolist()
        for c in range(3)
    ]
    actual = FeatureMSE()(student, teacher, valid)
    expected = torch.stack(squares).sum() / len(squares)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student), torch.autograd.grad(expected, student)
    )


def test_mean_squared_error_of_a_2x2_map_by_hand():
    student = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    teacher = torch.tensor([[[[0.0, 4.0], [3.0, 1.0]]]])
    assert FeatureMSE()(student, teacher) == 3.5  # (1 + 4 + 0 + 9) / 4
    valid = torch.tensor([[[True, True], [False, False]]])
    assert FeatureMSE()(student, teacher, valid) == 2.5  # (1 + 4) / 2


def test_attention_of_two_pixels_by_hand():
    student = torch.tensor([3.0, 4.0]).double().view(1, 1, 1, 2)
    loss = AttentionTransfer()(student, student.flip(-1))
    assert loss.item() == pytest.approx(49 / 337, abs=1e-6)


@pytest.mark.parametrize('channels', [3, 5])
def test_attention_equals_a_loop_over_images_in_value_and_gradient(channels):
    student = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(2, channels, 2, 4, dtype=torch.float64)
    valid = torch.rand(2, 2, 4) > 0.4
    squares = []
    for b in range(2):
        maps = []
        for features in (student[b], teacher[b]):
            strength = torch.stack([(pixel**2).mean() for pixel in features[:, valid[b]].t()])
            maps.append(strength / (strength**2).sum().sqrt())
        squares += [(a - c) ** 2 for a, c in zip(*maps, strict=True)]
    assert len(squares) == valid.sum()
    actual, expected = AttentionTransfer()(student, teacher, valid), torch.stack(squares).mean()
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student), torch.autograd.grad(expected, student)
    )


def test_attention_does_not_see_the_scale_of_features():
    student, teacher = torch.randn(2, 1, 3, 2, 4, dtype=torch.float64)
    loss = AttentionTransfer()
    torch.testing.assert_close(loss(5 * student, teacher), loss(student, 0.2 * teacher))
