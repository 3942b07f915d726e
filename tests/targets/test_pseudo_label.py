"""Pseudo-labels and their diagnostics on four pixels by hand."""

import pytest
import torch

from dts.targets.diagnostics import accepted_ratio, disagreement, pseudo_label_accuracy
from dts.targets.pseudo_label import PseudoLabels, make_pseudo_labels

# Four pixels: sure of 1, exactly at the threshold for 0, unsure, padding.
PROBS = torch.tensor([[0.1, 0.75, 0.5, 0.0], [0.9, 0.25, 0.5, 1.0]]).view(1, 2, 2, 2)
VALID = torch.tensor([True, True, True, False]).view(1, 2, 2)


def test_threshold_is_inclusive_and_padding_is_ignored():
    target = make_pseudo_labels(PROBS, VALID, threshold=0.75)
    assert target.labels.flatten().tolist() == [1, 0, 0, 255]
    assert target.weights.flatten().tolist() == [1.0, 1.0, 0.0, 0.0]


def test_no_pixel_is_accepted_above_every_confidence():
    target = make_pseudo_labels(PROBS, VALID, threshold=0.95)
    assert target.weights.sum() == 0
    assert accepted_ratio(target) == 0


def test_accepted_ratio_counts_valid_pixels_only():
    target = make_pseudo_labels(PROBS, VALID, threshold=0.75)
    assert accepted_ratio(target).item() == pytest.approx(2 / 3)


def test_disagreement_counts_all_valid_pixels():
    target = make_pseudo_labels(PROBS, VALID, threshold=0.75)
    student = torch.tensor([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]).view(1, 2, 2, 2)
    assert disagreement(student, target).item() == pytest.approx(1 / 3)  # the unsure pixel


def test_accuracy_judges_trusted_pixels_with_a_true_label():
    target = make_pseudo_labels(PROBS, VALID, threshold=0.75)
    truth = torch.tensor([1, 1, 0, 0]).view(1, 2, 2)
    assert pseudo_label_accuracy(target, truth).item() == pytest.approx(1 / 2)
    truth[0, 0, 1] = 255
    assert pseudo_label_accuracy(target, truth).item() == 1.0


def test_empty_masks_give_zero():
    target = PseudoLabels(torch.full((1, 2, 2), 255), torch.zeros(1, 2, 2))
    assert accepted_ratio(target) == 0
    assert disagreement(PROBS, target) == 0
    assert pseudo_label_accuracy(target, target.labels) == 0
