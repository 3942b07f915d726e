"""Channel-wise and channel-group distillation by hand and against a loop."""

import math

import pytest
import torch

from dts.distill.losses.channel_wise import ChannelWiseKD
from dts.distill.losses.logit import LogitKD


@pytest.mark.parametrize(
    ('temperature', 'expected'), [(1.0, 0.130812), (2.0, 0.145363), (1e4, 0.150869)]
)
def test_one_channel_of_two_pixels_by_hand(temperature, expected):
    teacher = torch.tensor([0.0, math.log(3.0)]).double().view(1, 1, 1, 2)
    loss = ChannelWiseKD(temperature)(torch.zeros_like(teacher), teacher)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_groups_of_2x2_maps_by_hand():
    """Groups of 2 and 1 of 3 channels; the teacher has ln 3 at one place of each, else 0."""
    teacher = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    teacher[0, 1, 0, 1] = teacher[0, 2, 1, 0] = math.log(3.0)
    loss = ChannelWiseKD(1.0, group_size=2)(torch.zeros_like(teacher), teacher)
    # 8 entries: 0.3 once and 0.1 against 1/8; 4 entries: 1/2 once and 1/6 against 1/4
    first = 0.3 * math.log(2.4) + 0.7 * math.log(0.8)  # 0.106440
    second = 0.5 * math.log(2.0) + 0.5 * math.log(2 / 3)  # 0.143841
    assert (first + second) / 2 == pytest.approx(0.125141, abs=1e-6)
    assert loss.item() == pytest.approx(0.125141, abs=1e-6)


def loop(student, teacher, valid, temperature, size):
    """Sum over images and groups of lists of the entries that count; the paper's formula."""
    num_groups = math.ceil(student.shape[1] / size)
    terms = []
    for image in range(len(student)):
        if not valid[image].any():
            continue
        for group in range(num_groups):
            channels = slice(group * size, (group + 1) * size)
            s, t = (m[image, channels][:, valid[image]].flatten() for m in (student, teacher))
            p, q = torch.softmax(t / temperature, 0), torch.softmax(s / temperature, 0)
            terms.append((p * (p.log() - q.log())).sum())
    return temperature**2 * sum(terms) / len(terms)


@pytest.mark.parametrize('size', [1, 2, 3, 5, 7, 20])
def test_equals_a_loop_in_value_and_gradient(size):
    student, teacher = torch.randn(2, 3, 7, 3, 4, dtype=torch.float64)
    student.requires_grad_()
    valid = torch.rand(3, 3, 4) > 0.4
    valid[1] = False
    actual = ChannelWiseKD(2.0, group_size=size)(student, teacher, valid)
    expected = loop(student, teacher, valid, 2.0, size)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student), torch.autograd.grad(expected, student)
    )


def test_one_group_on_one_pixel_is_pixel_wise_distillation():
    student, teacher = torch.randn(2, 4, 6, 1, 1, dtype=torch.float64)
    actual = ChannelWiseKD(3.0, group_size=6)(student, teacher)
    torch.testing.assert_close(actual, LogitKD(3.0)(student, teacher))


def test_shuffle_deals_channels_anew_by_the_seed_and_alike_to_both():
    student, teacher = torch.randn(2, 2, 6, 3, 4)
    loss = ChannelWiseKD(group_size=2, shuffle=True)
    torch.manual_seed(1)
    values = [loss(student, teacher).item() for _ in range(6)]
    assert len(set(values)) > 1
    torch.manual_seed(1)
    order = torch.randperm(6)
    torch.manual_seed(1)
    actual = loss(student, teacher)
    expected = ChannelWiseKD(group_size=2)(student[:, order], teacher[:, order])
    assert torch.equal(actual, expected)
    assert loss(student, student).abs() < 1e-6


def test_an_empty_group_is_refused():
    with pytest.raises(ValueError, match='group_size must be at least 1, got 0'):
        ChannelWiseKD(group_size=0)
