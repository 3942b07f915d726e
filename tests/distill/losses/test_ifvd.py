"""Intra-class feature variation by hand and against a loop."""

import pytest
import torch

from dts.distill.losses.ifvd import IFVD


def test_features_that_are_constant_within_classes_give_zero():
    labels = torch.tensor([[[0, 1, 1], [2, 0, 255]]])
    loss = IFVD(3)
    for _ in range(3):
        of_class = torch.randn(2, 256, 4, dtype=torch.float64)
        student, teacher = (table[labels].movedim(-1, 1) for table in of_class)
        assert loss(student, teacher, None, labels).abs() < 1e-12


def test_two_pixels_of_a_class_by_hand():
    # Mean of (1, 0) and (0, 1): both at 45 degrees from it; the teacher's are one direction.
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double().view(1, 2, 1, 2)
    teacher = torch.tensor([[1.0, 2.0], [0.0, 0.0]]).double().view(1, 2, 1, 2)
    loss = IFVD(4)(student, teacher, None, torch.full((1, 1, 2), 3))
    assert loss.item() == pytest.approx((1 - 0.5**0.5) ** 2, abs=1e-6)


@pytest.mark.parametrize('channels', [5, 3])
def test_equals_a_loop_over_images_and_classes_in_value_and_gradient(channels):
    student = torch.randn(2, 5, 4, 6, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(2, channels, 4, 6, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 4, 6))
    labels[0, :2, :2] = 255
    labels[1, 0, 0] = 200  # no class of this data set
    valid = torch.rand(2, 4, 6) > 0.3
    squares = []
    for b in range(2):
        for k in range(3):
            where = valid[b] & (labels[b] == k)
            cosines = []
            for features in (student[b], teacher[b]):
                pixels = features[:, where].t()  # (N, C)
                cosines.append(torch.cosine_similarity(pixels, pixels.mean(0)[None]))
            squares.append((cosines[0] - cosines[1]) ** 2)
    expected = torch.cat(squares).mean()
    actual = IFVD(3)(student, teacher, valid, labels)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student),
        torch.autograd.grad(expected, student),
        rtol=1e-5,
        atol=1e-7,
    )


def test_labels_may_be_finer_than_features():
    student, teacher = torch.randn(2, 1, 5, 2, 3)
    labels = torch.tensor([[[0, 1, 1], [0, 2, 2]]])
    fine = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)
    loss = IFVD(3)
    assert torch.equal(loss(student, teacher, None, fine), loss(student, teacher, None, labels))
