"""Pseudo-labels and their diagnostics on four pixels by hand."""

import pytest
import torch

from dts.mixing.plan import MixPlan
from dts.targets.diagnostics import accepted_ratio, disagreement, pseudo_label_accuracy
from dts.targets.pseudo_label import PseudoLabels, make_pseudo_labels

# Four pixels: sure of 1, exactly at the threshold for 0, unsure, padding.
PROBS = torch.tensor([[0.1, 0.75, 0.5, 0.0], [0.9, 0.25, 0.5, 1.0]]).view(1, 2, 2, 2)
VALID = torch.tensor([True, True, True, False]).view(1, 2, 2)


def test_labels_and_confidence_are_the_maximum_and_padding_is_ignored():
    target = make_pseudo_labels(PROBS, VALID)
    assert target.labels.flatten().tolist() == [1, 0, 0, 255]
    assert target.confidence.flatten().tolist() == pytest.approx([0.9, 0.75, 0.5, 0.0])


def test_mixing_moves_labels_and_confidence_and_padding():
    target = make_pseudo_labels(torch.cat([PROBS, PROBS.flip(1)]), VALID.expand(2, 2, 2))
    mask = torch.tensor([[True, False], [False, True]]).expand(2, 2, 2)
    mixed = target.mixed(MixPlan(mask, torch.tensor([1, 0])))
    assert mixed.labels.flatten(1).tolist() == [[0, 0, 0, 255], [1, 1, 0, 255]]
    assert mixed.confidence[0].flatten().tolist() == pytest.approx([0.9, 0.75, 0.5, 0.0])


def test_no_pixel_is_accepted_above_every_confidence():
    assert accepted_ratio(make_pseudo_labels(PROBS, VALID), 0.95) == 0


def test_accepted_ratio_counts_valid_pixels_only():
    assert accepted_ratio(make_pseudo_labels(PROBS, VALID), 0.75).item() == pytest.approx(2 / 3)


def test_disagreement_counts_all_valid_pixels():
    target = make_pseudo_labels(PROBS, VALID)
    student = torch.tensor([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]).view(1, 2, 2, 2)
    assert disagreement(student, target.labels).item() == pytest.approx(1 / 3)  # the unsure pixel


def test_accuracy_judges_trusted_pixels_with_a_true_label():
    target = make_pseudo_labels(PROBS, VALID)
    truth = torch.tensor([1, 1, 0, 0]).view(1, 2, 2)
    assert pseudo_label_accuracy(target, 0.75, truth).item() == pytest.approx(1 / 2)
    truth[0, 0, 1] = 255
    assert pseudo_label_accuracy(target, 0.75, truth).item() == 1.0


def test_empty_masks_give_zero():
    target = PseudoLabels(torch.full((1, 2, 2), 255), torch.zeros(1, 2, 2))
    assert accepted_ratio(target, 0.0) == 0
    assert disagreement(PROBS, target.labels) == 0
    assert pseudo_label_accuracy(target, 0.0, target.labels) == 0
