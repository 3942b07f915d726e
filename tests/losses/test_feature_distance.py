"""Feature distance against a loop, and its empty case."""

import torch

from dts.losses.feature_distance import feature_distance


def test_distance_equals_a_loop_over_positions():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 4, (3, 4, 5), generator=generator)
    labels = coarse.repeat_interleave(4, 1).repeat_interleave(4, 2).clone()
    noise = torch.rand(labels.shape, generator=generator)
    labels[noise < 0.15] = 255
    labels[noise > 0.85] = 3
    student = torch.randn(3, 6, 4, 5, generator=generator, dtype=torch.float64)
    reference = torch.randn(3, 6, 4, 5, generator=generator, dtype=torch.float64)
    distances, shares_near = [], 0
    for b in range(3):
        for row in range(4):
            for column in range(5):
                patch = labels[b, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                shares = [(patch == k).sum().item() / 16 for k in range(4)]
                dominant = max(range(4), key=shares.__getitem__)
                shares_near += dominant in (1, 3) and 0.25 < shares[dominant] < 0.75
                if dominant in (1, 3) and shares[dominant] >= 0.75:
                    gap = student[b, :, row, column] - reference[b, :, row, column]
                    distances.append((gap**2).sum().sqrt())
    assert len(distances) > 3
    assert shares_near > 3  # things that are shown, but by too small a share
    result = feature_distance(student, reference, labels, 4, [1, 3])
    torch.testing.assert_close(result, torch.stack(distances).mean())


def test_nothing_selected_gives_zero_and_zero_gradient():
    student = torch.randn(1, 2, 2, 2, requires_grad=True)
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    result = feature_distance(student, torch.zeros(1, 2, 2, 2), labels, 3, [1, 2])
    result.backward()
    assert result == 0
    assert (student.grad == 0).all()


def test_equal_features_give_no_nan_gradient():
    student = torch.zeros(1, 2, 2, 2, requires_grad=True)
    labels = torch.ones(1, 8, 8, dtype=torch.long)
    feature_distance(student, torch.zeros(1, 2, 2, 2), labels, 3, [1]).backward()
    assert student.grad.isfinite().all()
