"""Masked generation with generators whose answer is known."""

import pytest
import torch
import torch.nn.functional as F

from dts.distill.losses.mgd import MGD


def copying(mask_ratio):
    """MGD whose generator returns relu(its input)."""
    loss = MGD(3, mask_ratio).double()
    for layer in (loss.generator[0], loss.generator[2]):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return loss


def test_nothing_dropped_and_a_copying_generator():
    student, teacher = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    valid = torch.rand(2, 4, 5) > 0.4
    error = ((student.relu() - teacher) ** 2).movedim(1, -1)[valid]
    torch.testing.assert_close(copying(0.0)(student, teacher, valid), error.mean())


def test_everything_dropped_leaves_the_teachers_power():
    student, teacher = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(copying(1.0)(student, teacher), (teacher**2).mean())


def test_positions_are_dropped_with_all_channels_at_the_given_rate():
    ones = torch.ones(4, 3, 40, 40, dtype=torch.float64)
    dropped = []
    copy = copying(0.75)
    copy.generator.register_forward_hook(lambda m, i, o: dropped.append(i[0] == 0))
    loss = copy(ones, ones)
    assert torch.equal(dropped[0][:, :1].expand(4, 3, 40, 40), dropped[0])
    share = dropped[0].double().mean()
    assert share.item() == pytest.approx(0.75, abs=0.02)
    torch.testing.assert_close(loss, share)


def test_equals_its_formula_with_a_random_generator():
    student, teacher = torch.randn(2, 2, 3, 4, 5)
    student.requires_grad_()
    valid = torch.rand(2, 4, 5) > 0.4
    loss = MGD(3, 0.5)
    torch.manual_seed(7)
    kept = (torch.rand(2, 4, 5) >= 0.5) & valid
    first, _, second = loss.generator
    hidden = F.conv2d(student * kept[:, None], first.weight, first.bias, padding=1).relu()
    output = F.conv2d(hidden, second.weight, second.bias, padding=1)
    torch.manual_seed(7)
    actual = loss(student, teacher, valid)
    expected = ((output - teacher) ** 2).movedim(1, -1)[valid].mean()
    torch.testing.assert_close(actual, expected)
    learned = [student, *loss.parameters()]
    gradients = torch.autograd.grad(actual, learned)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, learned))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_a_ratio_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r'mask_ratio must be in \[0, 1\], got 75'):
        MGD(3, 75)
