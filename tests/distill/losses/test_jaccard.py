"""Soft Jaccard and Dice by hand, against loops, and where they differ from the product form."""

import pytest
import torch

from dts.distill.losses.jaccard import JaccardMetricLoss

P = torch.tensor([0.8, 0.2, 0.6, 0.4]).double().view(1, 1, 1, 4)
Y = torch.tensor([1.0, 0.0, 1.0, 0.0]).double().view(1, 1, 1, 4)
ALL = torch.ones(1, 1, 4, dtype=torch.bool)


def value(probs, target, valid=ALL, **kwargs):
    return JaccardMetricLoss(smooth=0.0, **kwargs).of_probabilities(probs, target, valid).item()


def test_one_class_by_hand():
    assert value(P, Y) == pytest.approx(0.461538, abs=1e-6)
    assert value(P, Y, alpha=0.5, beta=0.5) == pytest.approx(0.3, abs=1e-6)


def test_soft_target_that_is_met_gives_zero_unlike_the_product_form():
    product = (P * P).sum()
    assert 1 - product / (2 * P.sum() - product) == pytest.approx(0.571429, abs=1e-6)
    assert value(P, P) == 0.0


def test_false_positives_and_false_negatives_have_their_own_weight():
    target = torch.tensor([1.0, 1.0, 1.0, 0.0]).double().view(1, 1, 1, 4)
    # |p| = 2, |y| = 3, |p - y| = 1.8.
    assert value(P, target, alpha=0.3, beta=0.7) == pytest.approx(
        1 - 1.6 / (1.6 + 0.3 * 0.4 + 0.7 * 1.4)
    )


@pytest.mark.parametrize('counts', ['batch', 'image', 'class'])
@pytest.mark.parametrize('classes', ['present', 'all'])
@pytest.mark.parametrize('smooth', [0.0, 1.0])
def test_hard_labels_equal_a_loop_with_the_usual_soft_iou(counts, classes, smooth):
    logits = torch.randn(3, 4, 2, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (3, 2, 5))  # class 3 is absent
    labels[0, 0] = 255
    labels[1] = 1
    valid = (torch.rand(3, 2, 5) > 0.2) & (labels != 255)
    probs = logits.softmax(1)
    images = [[0, 1, 2]] if counts == 'batch' else [[0], [1], [2]]
    rows = []  # class -> loss, where the class counts
    for chosen in images:
        losses = {}
        for k in range(4):
            p = torch.cat([probs[b, k][valid[b]] for b in chosen])
            y = torch.cat([(labels[b] == k)[valid[b]] for b in chosen]).double()
            if classes == 'all' or y.any():
                union = p.sum() + y.sum() - (p * y).sum()
                losses[k] = 1 - ((p * y).sum() + smooth) / (union + smooth)
        rows.append(losses)
    if counts == 'class':
        rows = [{b: row[k] for b, row in enumerate(rows) if k in row} for k in range(4)]
    means = [sum(row.values()) / len(row) for row in rows if row]
    loss = JaccardMetricLoss('labels', counts, classes, smooth=smooth)
    actual = loss(logits, torch.zeros_like(logits), valid, labels)
    expected = sum(means) / len(means)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, logits), torch.autograd.grad(expected, logits)
    )


def test_soft_target_is_the_softmax_of_the_teacher_at_the_temperature():
    student, teacher = torch.randn(2, 2, 3, 2, 5, dtype=torch.float64)
    student.requires_grad_()
    p, y = ((m / 2).softmax(1).movedim(1, 0).flatten(1) for m in (student, teacher))
    low, high = torch.minimum(p, y).sum(1), torch.maximum(p, y).sum(1)  # the same, written shorter
    loss = JaccardMetricLoss(smooth=0.0, temperature=2.0)
    labels = torch.zeros(2, 2, 5, dtype=torch.long)
    actual, expected = loss(student, teacher, None, labels), (1 - low / high).mean()
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, student), torch.autograd.grad(expected, student)
    )


def test_a_class_that_the_teacher_hardly_sees_is_not_present():
    teacher = torch.tensor([0.0, 0.0, -20.0]).double().view(1, 3, 1, 1).expand(1, 3, 2, 2)
    student = torch.zeros_like(teacher)
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    present = JaccardMetricLoss(smooth=0.0)(student, teacher, None, labels)
    every = JaccardMetricLoss(smooth=0.0, classes='all')(student, teacher, None, labels)
    assert present.item() == pytest.approx(1 / 3, abs=1e-6)  # 1 - (1/3) / (1/2)
    assert every.item() == pytest.approx((1 / 3 + 1 / 3 + 1) / 3, abs=1e-6)


def test_unknown_names_are_refused():
    for name in ('target', 'counts', 'classes'):
        with pytest.raises(ValueError, match=f"{name} must be one of .*, got 'pixel'"):
            JaccardMetricLoss(**{name: 'pixel'})
