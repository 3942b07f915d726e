"""Hard pixels by hand, against a loop over pixels, and where the loss is plain cross entropy."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.losses.cross_entropy import cross_entropy
from dts.losses.ohem import OhemCrossEntropy
from dts.registry import MODELS

# Probabilities of class 0, and of its label, in four pixels.
PROBS = torch.tensor([0.9, 0.8, 0.6, 0.2], dtype=torch.float64)
LOGITS = torch.stack([PROBS.log(), (1 - PROBS).log()]).view(1, 2, 2, 2)
LABELS = torch.zeros(1, 2, 2, dtype=torch.int64)


def mean_loss(*probs: float) -> float:
    return sum(-math.log(prob) for prob in probs) / len(probs)


@pytest.mark.parametrize(
    ('threshold', 'min_kept', 'kept'),
    [
        (0.7, 1, (0.6, 0.2)),  # the threshold decides
        (0.7, 3, (0.8, 0.6, 0.2)),  # the third hardest has 0.8
        (0.1, 1, (0.2,)),
        (0.7, 99, (0.9, 0.8, 0.6, 0.2)),
        (1.0, 1, (0.9, 0.8, 0.6, 0.2)),
    ],
)
def test_by_hand(threshold, min_kept, kept):
    loss = OhemCrossEntropy(threshold, min_kept)(LOGITS, LABELS)
    assert loss.item() == pytest.approx(mean_loss(*kept))


def test_ignored_pixels_are_never_hard():
    labels = torch.tensor([[[0, 0], [0, 255]]])
    assert OhemCrossEntropy(0.7, 1)(LOGITS, labels).item() == pytest.approx(mean_loss(0.6))
    # Two of the three valid ones; the ignored one does not take a place.
    assert OhemCrossEntropy(0.1, 2)(LOGITS, labels).item() == pytest.approx(mean_loss(0.8, 0.6))
    # Fewer valid pixels than asked for: all of them, and they alone are counted.
    assert OhemCrossEntropy(0.1, 4)(LOGITS, labels).item() == pytest.approx(
        mean_loss(0.9, 0.8, 0.6)
    )


def test_min_kept_counts_per_image_but_is_ranked_over_the_batch():
    logits = torch.cat([LOGITS, LOGITS])
    labels = torch.cat([LABELS, torch.ones_like(LABELS)])  # in the second: 0.1, 0.2, 0.4, 0.8
    loss = OhemCrossEntropy(0.0, 2)(logits, labels)  # 4 pixels: 3 of the second image
    assert loss.item() == pytest.approx(mean_loss(0.1, 0.2, 0.2, 0.4))


def test_equals_a_loop_in_value_and_gradient():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 7, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 5, (2, 7, 6))
    labels[0, :3] = 255
    loss = OhemCrossEntropy(0.15, 20)(logits, labels)

    pixels = []
    for image in range(2):
        for row in range(7):
            for column in range(6):
                label = int(labels[image, row, column])
                if label != 255:
                    pixels.append(logits[image, :, row, column].log_softmax(0)[label])
    pixels.sort(key=lambda value: value.item())
    limit = max(0.15, math.exp(pixels[40 - 1].item()))
    hard = [value for value in pixels if math.exp(value.item()) <= limit + 1e-12]
    expected = -sum(hard) / len(hard)
    assert len(hard) == 40
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, logits)
    (gradient_expected,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, gradient_expected)


def test_all_ignored_gives_zero_and_zero_gradient():
    logits = LOGITS.clone().requires_grad_()
    loss = OhemCrossEntropy()(logits, torch.full_like(LABELS, 255))
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()


def test_pseudo_labels_are_not_mined():
    weight = torch.tensor([[[1.0, 0.0], [0.5, 1.0]]], dtype=torch.float64)
    loss = OhemCrossEntropy(0.7, 1)(LOGITS, LABELS, weight)
    torch.testing.assert_close(loss, cross_entropy(LOGITS, LABELS, pixel_weight=weight))


def test_half_precision_is_scored_in_float32():
    loss = OhemCrossEntropy(0.7, 1)(LOGITS.bfloat16(), LABELS)
    expected = OhemCrossEntropy(0.7, 1)(LOGITS.bfloat16().float(), LABELS)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)


def test_reads_nothing_from_the_device():
    with FakeTensorMode():
        logits = torch.randn(2, 5, 8, 8, device='meta', requires_grad=True)
        labels = torch.zeros(2, 8, 8, dtype=torch.int64, device='meta')
        loss = OhemCrossEntropy(0.7, 10)(logits, labels)
        assert loss.device.type == 'meta'
        loss.backward()


@pytest.mark.parametrize('options', [{'threshold': 1.5}, {'min_kept': 0}, {'min_kept': 2.5}])
def test_bad_settings_are_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        MODELS.build({'type': 'dts.OhemCrossEntropy', **options})
