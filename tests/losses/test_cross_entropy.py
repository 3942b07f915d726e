"""Cross entropy on 2x2 pixels by hand, its denominators, and its gradient."""

import math

import pytest
import torch
import torch.nn.functional as F

from dts.losses.cross_entropy import CrossEntropy, cross_entropy

# Two classes with scores (log 3, 0): p(0) = 3/4, so CE is log(4/3) for label 0 and log 4 for 1.
LOGITS = torch.tensor([math.log(3.0), 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2).double()
EASY, HARD = math.log(4 / 3), math.log(4)


def labels(*values: int) -> torch.Tensor:
    return torch.tensor(values).view(1, 2, 2)


def value(*args, **kwargs) -> float:
    return cross_entropy(*args, **kwargs).item()


def test_mean_over_pixels():
    assert value(LOGITS, labels(0, 0, 0, 1)) == pytest.approx((3 * EASY + HARD) / 4)


def test_ignored_pixels_are_in_neither_sum():
    assert value(LOGITS, labels(0, 255, 255, 1)) == pytest.approx((EASY + HARD) / 2)


def test_pixel_weight_is_not_in_the_denominator():
    weight = torch.tensor([1.0, 0.0, 0.0, 0.5]).view(1, 2, 2).double()
    expected = (EASY + 0.5 * HARD) / 3  # three valid pixels
    assert value(LOGITS, labels(0, 0, 255, 1), pixel_weight=weight) == pytest.approx(expected)


def test_class_weight_is_in_both_sums_also_with_ignored_pixels():
    class_weight = torch.tensor([1.0, 3.0])
    expected = (EASY + 3 * HARD) / 4
    assert value(LOGITS, labels(0, 255, 255, 1), class_weight=class_weight) == pytest.approx(
        expected
    )


def test_class_and_pixel_weight_together():
    weight = torch.tensor([1.0, 1.0, 0.0, 0.5]).view(1, 2, 2).double()
    expected = (1 * EASY + 0.5 * 3 * HARD) / (1 + 1 + 3)
    actual = value(
        LOGITS,
        labels(0, 255, 0, 1),
        pixel_weight=weight,
        class_weight=torch.tensor([1.0, 3.0]),
    )
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize('class_weight', [None, torch.tensor([1.0, 3.0])])
def test_all_ignored_gives_zero_and_zero_gradient(class_weight):
    logits = LOGITS.clone().requires_grad_()
    loss = cross_entropy(logits, labels(255, 255, 255, 255), class_weight=class_weight)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize('weights', [None, [0.5, 1.0, 2.0, 4.0, 8.0]])
def test_equals_torch_in_value_and_gradient(weights):
    logits = torch.randn(3, 5, 4, 6, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 5, (3, 4, 6))
    target[0, :2] = 255
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    ours = cross_entropy(logits, target, class_weight=weight)
    theirs = F.cross_entropy(logits, target, weight=weight, ignore_index=255)
    torch.testing.assert_close(ours, theirs)
    (grad_ours,) = torch.autograd.grad(ours, logits)
    (grad_theirs,) = torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(grad_ours, grad_theirs)


def test_mean_does_not_depend_on_the_batch_size():
    one = value(LOGITS, labels(0, 1, 255, 1))
    two = value(LOGITS.repeat(2, 1, 1, 1), labels(0, 1, 255, 1).repeat(2, 1, 1))
    assert one == pytest.approx(two)


def test_half_precision_scores_are_summed_in_float32():
    loss = cross_entropy(LOGITS.bfloat16(), labels(0, 0, 0, 1))
    assert loss.dtype == torch.float32


@pytest.mark.grad
def test_gradient_is_exact():
    logits = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[[0, 1], [255, 2]], [[1, 1], [0, 255]]])
    weight = torch.rand(2, 2, 2, dtype=torch.float64)
    class_weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: cross_entropy(x, target, pixel_weight=weight, class_weight=class_weight),
        logits,
    )


def test_errors_name_the_sizes():
    with pytest.raises(ValueError, match=r'labels has shape \(2, 2, 2\)'):
        cross_entropy(LOGITS, labels(0, 0, 0, 1).repeat(2, 1, 1))
    with pytest.raises(ValueError, match='pixel_weight has shape'):
        cross_entropy(LOGITS, labels(0, 0, 0, 1), pixel_weight=torch.ones(1, 1, 2))
    with pytest.raises(ValueError, match='3 entries, the model scores 2 classes'):
        CrossEntropy([1.0, 1.0, 1.0])(LOGITS, labels(0, 0, 0, 1))


def test_module_passes_its_settings_on():
    module = CrossEntropy([1.0, 3.0], ignore_index=9)
    expected = (EASY + 3 * HARD) / 4
    assert module(LOGITS, labels(0, 9, 9, 1)).item() == pytest.approx(expected)
    assert not module.state_dict()


def test_ignored_pixels_count_in_the_denominator_on_request():
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    labels[0, :3] = 255
    weight = torch.tensor([1.0, 2.0, 3.0])
    total = F.cross_entropy(logits, labels, weight=weight, ignore_index=255, reduction='sum')
    criterion = CrossEntropy([1.0, 2.0, 3.0], avg_non_ignore=False)
    torch.testing.assert_close(criterion(logits, labels), total / labels.numel())
