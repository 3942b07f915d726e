"""Distance correlations against numbers by hand and loops; what they say of students."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dts.distill.explain import (
    distance_correlation,
    draw_per_class,
    explain,
    partial_distance_correlation,
    relevance_map,
    u_centered,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop_centered(rows: Tensor) -> list[list[float]]:
    """U-centred distances, written from their definition."""
    n = len(rows)
    d = [[math.dist(a, b) for b in rows.tolist()] for a in rows.tolist()]
    total = sum(map(sum, d)) / ((n - 1) * (n - 2))
    return [
        [
            0.0
            if i == j
            else d[i][j] - sum(d[i]) / (n - 2) - sum(row[j] for row in d) / (n - 2) + total
            for j in range(n)
        ]
        for i in range(n)
    ]


def loop_correlation(first: Tensor, second: Tensor) -> float:
    a, b = ([x for row in loop_centered(rows) for x in row] for rows in (first, second))
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def test_four_points_by_hand() -> None:
    line = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    far, near = 1 / 3, -2 / 3
    expected = [[0, near, far, far], [near, 0, far, far], [far, far, 0, near], [far, far, near, 0]]
    torch.testing.assert_close(u_centered(line), torch.tensor(expected, dtype=torch.float64))
    assert float(distance_correlation(line, line[[0, 2, 1, 3]])) == pytest.approx(-0.5)


def test_correlations_equal_loops() -> None:
    x, y, z = normal(9, 2), normal(9, 3, seed=1), normal(9, 1, seed=2)
    y[:, :2] += x
    xy, xz, yz = loop_correlation(x, y), loop_correlation(x, z), loop_correlation(y, z)
    assert float(distance_correlation(x, y)) == pytest.approx(xy)
    expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert float(partial_distance_correlation(x, y, z)) == pytest.approx(expected)


def test_shift_rotation_scale_and_order_leave_correlations() -> None:
    x, y, z = normal(30, 4), normal(30, 4, seed=1), normal(30, 4, seed=2)
    y, z = y + x, z + x
    rotation = torch.linalg.qr(normal(4, 4, seed=3))[0]
    moved = 7 * x @ rotation - 3
    order = torch.randperm(30, generator=torch.Generator().manual_seed(4))
    assert float(distance_correlation(x, moved)) == pytest.approx(1)
    value = partial_distance_correlation(x, y, z)
    assert 0.05 < value < 0.95
    torch.testing.assert_close(partial_distance_correlation(moved, y, z), value)
    torch.testing.assert_close(
        partial_distance_correlation(y, z, moved), partial_distance_correlation(y, z, x)
    )
    shuffled = partial_distance_correlation(x[order], y[order], z[order])
    torch.testing.assert_close(shuffled, value)


def test_independent_features_are_near_zero_and_dependence_need_not_be_linear() -> None:
    x, y = normal(300, 8), normal(300, 8, seed=1)
    assert abs(float(distance_correlation(x, y))) < 0.05
    assert distance_correlation(x[:, :1], x[:, :1] ** 2) > 0.1
    means = torch.stack(
        [distance_correlation(normal(8, 3, seed=s), normal(8, 3, seed=s + 500)) for s in range(300)]
    )  # without the correction it is 0.6
    assert abs(float(means.mean())) < 0.05


def test_nothing_is_distilled_into_a_student_that_equals_the_baseline() -> None:
    student, teacher = normal(60, 5).float(), normal(60, 7, seed=1).float()
    teacher[:, :5] += student
    turned = (student.double() @ torch.linalg.qr(normal(5, 5, seed=3))[0]).float()
    for baseline in (student, turned):  # turned: equal but for rounding
        found = explain(student, teacher, baseline)
        assert (found.distilled, found.residual) == (0, 0)
    assert explain(student, teacher, student).distilled_channels.shape == (5,)


def test_student_that_equals_the_teacher_has_no_residual() -> None:
    teacher, baseline = normal(80, 5), normal(80, 5, seed=1)
    baseline += teacher
    found = explain(teacher, teacher, baseline)
    assert found.residual == 0
    assert found.distilled == pytest.approx(1)
    assert (found.residual_channels == 0).all()


def test_student_that_ignores_the_teacher_has_distilled_nothing() -> None:
    found = explain(normal(300, 5), normal(300, 5, seed=1), normal(300, 5, seed=2))
    assert abs(found.distilled) < 0.05
    assert abs(found.residual) < 0.05


def test_channels_name_what_was_taken_and_what_was_lost() -> None:
    teacher, noise = normal(200, 2), normal(200, 2, seed=1)
    student = torch.stack([teacher[:, 0], noise[:, 0]], dim=1)
    baseline = torch.stack([noise[:, 1], teacher[:, 1]], dim=1)
    found = explain(student, teacher, baseline)
    taken, own = found.distilled_channels.tolist()
    own_of_baseline, lost = found.residual_channels.tolist()
    assert min(taken, lost) > 0.3
    assert min(own, own_of_baseline) >= 0
    assert max(own, own_of_baseline) < 0.1
    assert min(found.distilled, found.residual) > 0.1


def test_equal_rows_have_no_correlation() -> None:
    rows, flat = normal(10, 3), torch.ones(10, 2)
    assert distance_correlation(rows, flat) == 0
    torch.testing.assert_close(
        partial_distance_correlation(rows, rows, flat), torch.ones((), dtype=torch.float64)
    )


def test_pixels_are_drawn_evenly_from_classes() -> None:
    labels = torch.tensor([0] * 50 + [255] * 20 + [2] * 3 + [1] * 10)
    torch.manual_seed(0)
    first, second = draw_per_class(labels, 5, 3), draw_per_class(labels, 5, 3)
    assert labels[first].tolist() == [0] * 5 + [1] * 5 + [2] * 3
    assert len(set(first.tolist())) == 13
    assert first.tolist() != second.tolist()


def test_map_by_hand() -> None:
    maps = torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]], [[9.0, 9.0]]])
    gradients = torch.tensor([[[1.0, 3.0]], [[-2.0, -2.0]], [[5.0, 5.0]]])  # means 2, -2, 5
    channels = torch.tensor([0.5, 1.0, 0.0])
    heat = relevance_map(maps, gradients, channels)  # relu(1 - 2), relu(2 - 0), over 2
    assert heat.tolist() == [[0.0, 1.0]]
    heat = relevance_map(maps, gradients, torch.tensor([1.0, 0.25, 0.0]))  # 1.5, 4
    assert heat.tolist() == [[0.375, 1.0]]
    assert (relevance_map(maps, gradients, torch.zeros(3)) == 0).all()


def test_too_few_and_unequal_rows_are_refused() -> None:
    with pytest.raises(ValueError, match='at least 4 rows, got 3'):
        distance_correlation(normal(3, 2), normal(3, 2))
    with pytest.raises(ValueError, match=r'same pixels .*\[5, 6, 5\]'):
        explain(normal(5, 2), normal(6, 2), normal(5, 2))
