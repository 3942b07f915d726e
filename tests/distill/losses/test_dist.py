"""Correlations of probabilities by hand and against a loop."""

import numpy as np
import pytest
import torch

from dts.distill.losses import dist
from dts.distill.losses.dist import DIST


def test_equals_correlation_coefficients_of_numpy():
    student, teacher = torch.randn(2, 2, 4, 3, 5, dtype=torch.float64)
    valid = torch.rand(2, 3, 5) > 0.4
    # (pixels of the batch, classes)
    p, q = ((m / 2).softmax(1).movedim(1, -1)[valid].numpy() for m in (teacher, student))
    inter = np.mean([1 - np.corrcoef(p[i], q[i])[0, 1] for i in range(len(p))])
    intra = np.mean([1 - np.corrcoef(p[:, k], q[:, k])[0, 1] for k in range(4)])
    assert abs(inter - intra) > 0.01
    loss = DIST(temperature=2.0, inter_weight=0.3, intra_weight=0.7)
    expected = 4 * (0.3 * inter + 0.7 * intra)
    assert loss(student, teacher, valid).item() == pytest.approx(expected, abs=1e-5)


def test_equals_a_loop_over_pixels_and_classes_in_gradient():
    student, teacher = torch.randn(2, 2, 4, 3, 5, dtype=torch.float64)
    student.requires_grad_()
    valid = torch.rand(2, 3, 5) > 0.4
    p, q = ((m / 2).softmax(1).movedim(1, -1)[valid] for m in (teacher, student))
    inter = [1 - torch.corrcoef(torch.stack([p[i], q[i]]))[0, 1] for i in range(len(p))]
    intra = [1 - torch.corrcoef(torch.stack([p[:, k], q[:, k]]))[0, 1] for k in range(4)]
    expected = 4 * (0.3 * torch.stack(inter).mean() + 0.7 * torch.stack(intra).mean())
    actual = DIST(temperature=2.0, inter_weight=0.3, intra_weight=0.7)(student, teacher, valid)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student),
        torch.autograd.grad(expected, student),
        rtol=1e-4,
        atol=1e-6,
    )


def test_opposite_predictions_have_the_largest_loss():
    teacher = torch.tensor([[2.0, 0.0, -2.0], [-2.0, 0.0, 2.0]]).double().t().view(1, 3, 1, 2)
    loss = DIST(intra_weight=0.0)(-teacher, teacher)
    p, q = (np.exp([2.0, 0.0, -2.0]), np.exp([-2.0, 0.0, 2.0]))
    assert loss.item() == pytest.approx(1 - np.corrcoef(p / p.sum(), q / q.sum())[0, 1], abs=1e-6)


def test_two_classes_train_by_the_term_over_pixels_alone_and_warn_once(monkeypatch):
    texts = []
    monkeypatch.setattr(dist, 'print_log', lambda text, **kwargs: texts.append(text))
    student, teacher = torch.randn(2, 1, 2, 3, 3, dtype=torch.float64)
    student.requires_grad_()
    inter = DIST(intra_weight=0.0)
    agree = (student.argmax(1) == teacher.argmax(1)).double()
    loss = inter(student, teacher)
    torch.testing.assert_close(loss, (2 * (1 - agree)).mean(), atol=1e-4, rtol=0)
    assert torch.autograd.grad(loss, student)[0].abs().max() < 1e-4
    intra = DIST(inter_weight=0.0)(student, teacher)
    assert torch.autograd.grad(intra, student)[0].abs().max() > 1e-3
    inter(student, teacher)
    assert len(texts) == 2  # one per module
    assert 'with 2 classes' in texts[0]


def test_rows_without_contrast_have_a_bounded_gradient():
    student = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = DIST()(student, torch.randn(1, 3, 2, 2))
    (gradient,) = torch.autograd.grad(loss, student)
    assert loss.isfinite()
    assert 0 < gradient.abs().max() < 1e4
