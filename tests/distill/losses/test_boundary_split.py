"""The band along borders against a loop, and which loss rules where."""

import math

import pytest
import torch

from dts.distill.losses.boundary_split import BoundarySplitKD, boundary_band
from dts.distill.losses.channel_wise import ChannelWiseKD
from dts.distill.losses.logit import LogitKD


@pytest.mark.parametrize('radius', [0, 1, 2, 3])
def test_band_equals_a_loop_over_neighbourhoods(radius):
    labels = torch.randint(0, 2, (2, 3, 4)).repeat_interleave(4, 1).repeat_interleave(5, 2)
    labels[torch.rand(labels.shape) < 0.1] = 255
    expected = torch.zeros_like(labels, dtype=torch.bool)
    for b, row, column in (labels != 255).nonzero().tolist():
        rows = slice(max(row - radius, 0), row + radius + 1)
        columns = slice(max(column - radius, 0), column + radius + 1)
        near = set(labels[b, rows, columns].flatten().tolist()) - {255}
        expected[b, row, column] = near != {labels[b, row, column].item()}
    band = boundary_band(labels, radius)
    assert torch.equal(band, expected)
    assert band.any() == (radius > 0)


def scene():
    labels = torch.zeros(2, 16, 24, dtype=torch.long)
    labels[:, :, 12:] = 170
    labels[1, :4] = 255
    student, teacher = torch.randn(2, 2, 3, 4, 6, dtype=torch.float64)
    return student, teacher, labels


def test_edge_is_pixel_wise_and_body_channel_wise():
    student, teacher, labels = scene()
    # Radius 3 reaches 3 of the 4 pixels of the cells beside column 12: cells 2 and 3 of 6.
    edge = torch.zeros(2, 4, 6, dtype=torch.bool)
    edge[:, :, 2:4] = True
    valid = torch.ones_like(edge)
    valid[1, 0] = False
    loss = BoundarySplitKD(3, 2.0, 5.0, edge_weight=0.3, body_weight=0.6)
    expected = 0.3 * LogitKD(2.0)(student, teacher, valid & edge)
    expected = expected + 0.6 * ChannelWiseKD(5.0)(student, teacher, valid & ~edge)
    torch.testing.assert_close(loss(student, teacher, valid, labels), expected)


def test_a_2x2_map_by_hand():
    """The right column is band, the left one body; ln 3 in one score of each."""
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, :, 7] = 1
    teacher = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
    teacher[0, 1, 0, 1] = teacher[0, 0, 1, 0] = math.log(3.0)
    loss = BoundarySplitKD(1, 1.0, 2.0, edge_weight=2.0, body_weight=3.0)
    # 0.130812 at T = 1 for one of two pixels, 0.145363 at T = 2 for one of two channels
    value = loss(torch.zeros_like(teacher), teacher, None, labels).item()
    assert value == pytest.approx(2 * 0.130812 / 2 + 3 * 0.145363 / 2, abs=2e-6)


def test_equals_loops_over_band_and_bodies_in_gradient():
    student, teacher, labels = scene()
    student.requires_grad_()
    valid = torch.ones(2, 4, 6, dtype=torch.bool)
    valid[1, 0] = False
    edges, bodies = [], []
    for b, row, column in valid.nonzero().tolist():
        if column in (2, 3):  # as above
            p, q = ((m[b, :, row, column] / 2).softmax(0) for m in (teacher, student))
            edges.append(4 * (p * (p / q).log()).sum())
    for b in range(2):
        for k in range(3):
            inside = valid[b].clone()
            inside[:, 2:4] = False
            p, q = ((m[b, k][inside] / 5).softmax(0) for m in (teacher, student))
            bodies.append(25 * (p * (p / q).log()).sum())
    expected = 0.3 * torch.stack(edges).mean() + 0.6 * torch.stack(bodies).mean()
    loss = BoundarySplitKD(3, 2.0, 5.0, edge_weight=0.3, body_weight=0.6)
    actual = loss(student, teacher, valid, labels)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student), torch.autograd.grad(expected, student)
    )


def test_another_ignored_label_makes_no_band():
    student, teacher, labels = scene()
    other = labels.where(labels != 255, 7)
    valid = torch.ones(2, 4, 6, dtype=torch.bool)
    expected = BoundarySplitKD()(student, teacher, valid, labels)
    assert torch.equal(BoundarySplitKD(ignore_index=7)(student, teacher, valid, other), expected)
    assert not torch.equal(BoundarySplitKD()(student, teacher, valid, other), expected)


def test_band_may_be_empty_or_full():
    student, teacher, labels = scene()
    one_class = torch.zeros_like(labels)
    body = ChannelWiseKD(4.0)(student, teacher)
    torch.testing.assert_close(BoundarySplitKD()(student, teacher, None, one_class), body)
    full = BoundarySplitKD(radius=24)(student, teacher, None, labels.clamp_max(170))
    torch.testing.assert_close(full, LogitKD(1.0)(student, teacher))


def test_a_negative_radius_is_refused():
    with pytest.raises(ValueError, match='radius must be at least 0, got -1'):
        BoundarySplitKD(-1)
