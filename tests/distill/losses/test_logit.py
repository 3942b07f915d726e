"""Pixel-wise distillation by hand and against a loop."""

import math

import pytest
import torch

from dts.distill.losses.logit import LogitKD


@pytest.mark.parametrize(
    ('temperature', 'expected'),
    # At high temperature: 1/(2K) sum_k (difference of centered scores)^2.
    [(1.0, 0.130812), (2.0, 0.145363), (1e4, 0.150869)],
)
def test_one_pixel_by_hand(temperature, expected):
    teacher = torch.tensor([0.0, math.log(3.0)]).double().view(1, 2, 1, 1)
    loss = LogitKD(temperature)(torch.zeros_like(teacher), teacher)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_equals_a_loop_over_pixels_in_value_and_gradient():
    student, teacher = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    student.requires_grad_()
    valid = torch.rand(2, 4, 5) > 0.4
    terms = []
    for b, row, column in valid.nonzero().tolist():
        p = torch.softmax(teacher[b, :, row, column] / 3, 0)
        q = torch.softmax(student[b, :, row, column] / 3, 0)
        terms.append(9 * sum(p[k] * (p[k].log() - q[k].log()) for k in range(3)))
    expected = sum(terms) / len(terms)
    actual = LogitKD(3.0)(student, teacher, valid)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student), torch.autograd.grad(expected, student)
    )
