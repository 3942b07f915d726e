"""Adapters by hand: sizes, a linear map, and splines that are known."""

import pytest
import torch
import torch.nn.functional as F

from dts.distill.adapters import ConvAdapter, KANAdapter, ResizeAdapter, bspline_basis

RANGE = (-2.0, 2.0)


def test_whose_map_is_resized():
    student, teacher = torch.randn(2, 3, 4, 4), torch.randn(2, 5, 7, 9)
    for align_corners in (False, True):
        large = F.interpolate(student, (7, 9), mode='bilinear', align_corners=align_corners)
        small = F.interpolate(teacher, (4, 4), mode='bilinear', align_corners=align_corners)
        a, b = ResizeAdapter('student', align_corners)(student, teacher)
        torch.testing.assert_close(a, large)
        assert b is teacher
        a, b = ResizeAdapter('teacher', align_corners)(student, teacher)
        torch.testing.assert_close(b, small)
        assert a is student


def test_different_sizes_may_be_refused():
    refusing = ResizeAdapter('refuse')
    with pytest.raises(ValueError, match=r'student is \(4, 4\), that of the teacher \(7, 9\)'):
        refusing(torch.zeros(1, 3, 4, 4), torch.zeros(1, 5, 7, 9))
    same = torch.zeros(1, 3, 4, 4)
    assert refusing(same, same)[0] is same
    with pytest.raises(ValueError, match=r"resize must be one of .*, got 'both'"):
        ConvAdapter(3, 5, 'both')


def test_convolution_projects_every_pixel_before_the_resize():
    adapter = ConvAdapter(3, 5)
    student, teacher = torch.randn(2, 3, 4, 4), torch.randn(2, 5, 8, 8)
    weight = adapter.conv.weight[:, :, 0, 0]
    projected = torch.einsum('oi,bihw->bohw', weight, student) + adapter.conv.bias[:, None, None]
    expected = F.interpolate(projected, (8, 8), mode='bilinear')
    torch.testing.assert_close(adapter(student, teacher)[0], expected)


@pytest.mark.parametrize('degree', [1, 2, 3, 4])
def test_splines_are_a_partition_of_one_up_to_both_ends(degree):
    values = torch.linspace(-2, 2, 41, dtype=torch.float64)
    basis = bspline_basis(values, RANGE, 5, degree)
    assert basis.shape == (41, 5 + degree)
    assert (basis >= 0).all()
    torch.testing.assert_close(basis.sum(-1), torch.ones(41).double())
    assert ((basis > 0).sum(-1) <= degree + 1).all()
    outside = bspline_basis(torch.tensor([-9.0, 9.0]).double(), RANGE, 5, degree)
    torch.testing.assert_close(outside, basis[[0, -1]])


def test_cubic_spline_at_its_knots_and_between_by_hand():
    # The fourth spline of 8 unit intervals has the knots 0, 1, 2, 3, 4.
    values = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0]).double()
    spline = bspline_basis(values, (0.0, 8.0), 8, 3)[:, 3]
    expected = torch.tensor([0, 1 / 48, 1 / 6, 23 / 48, 2 / 3, 1 / 6, 0]).double()
    torch.testing.assert_close(spline, expected)


@pytest.mark.parametrize('degree', [1, 2, 3])
def test_coefficients_of_greville_reproduce_a_line_and_its_slope(degree):
    # Mean of the inner knots of every spline, which are -degree, ... in units of the grid.
    units = [sum(range(j - degree + 1, j + 1)) / degree for j in range(5 + degree)]
    coefficients = torch.tensor(units).double() * (4 / 5) - 2
    values = torch.linspace(-1.99, 1.99, 23, dtype=torch.float64).requires_grad_()
    line = (bspline_basis(values, RANGE, 5, degree) * coefficients).sum(-1)
    torch.testing.assert_close(line, values)
    (slope,) = torch.autograd.grad(line.sum(), values)
    torch.testing.assert_close(slope, torch.ones(23).double())


def test_kan_starts_as_the_convolution():
    adapter = KANAdapter(3, 5)
    student, teacher = 3 * torch.randn(2, 3, 4, 4), torch.randn(2, 5, 4, 4)
    assert torch.equal(adapter(student, teacher)[0], adapter.conv(student))
    assert adapter(student, teacher)[1] is teacher


def test_kan_holds_one_spline_per_pair_of_channels():
    adapter = KANAdapter(2, 3, value_range=RANGE, num_intervals=4, degree=3).double()
    torch.nn.init.normal_(adapter.spline.weight)
    student = torch.randn(1, 2, 2, 3, dtype=torch.float64)
    output = adapter.project(student)
    table = adapter.spline.weight.view(3, 2, 7)  # output, input, spline
    for row, column in ((0, 0), (1, 2)):
        x = student[0, :, row, column]
        for o in range(3):
            expected = adapter.conv.bias[o] + sum(
                adapter.conv.weight[o, i, 0, 0] * x[i]
                + (table[o, i] * bspline_basis(x[i], RANGE, 4, 3)).sum()
                for i in range(2)
            )
            torch.testing.assert_close(output[0, o, row, column], expected)


def test_kan_can_learn_what_a_convolution_cannot():
    values = torch.linspace(-2, 2, 64, dtype=torch.float64).view(1, 1, 8, 8)
    target = values.square()
    adapter = KANAdapter(1, 1, value_range=RANGE).double()
    design = bspline_basis(values.flatten(), RANGE, 8, 3)
    solution = torch.linalg.lstsq(design, target.flatten()[:, None]).solution
    with torch.no_grad():
        adapter.conv.weight.zero_()
        adapter.conv.bias.zero_()
        adapter.spline.weight.copy_(solution.view(1, 11, 1, 1))
    torch.testing.assert_close(adapter.project(values), target)  # a parabola is a cubic spline


@pytest.mark.grad
def test_gradient_of_kan_is_exact():
    adapter = KANAdapter(2, 2, num_intervals=3).double()
    torch.nn.init.normal_(adapter.spline.weight)
    student = torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(adapter.project, student)


def test_grids_that_are_none_are_refused():
    for wrong in (dict(value_range=(1, 1)), dict(num_intervals=0), dict(degree=0)):
        with pytest.raises(ValueError, match='value_range must be'):
            KANAdapter(1, 1, **wrong)
