"""Labels and masks at the size of a tap, by hand."""

import pytest
import torch

from dts.distill.mask import labels_at, valid_at

FINE = torch.arange(24).view(1, 4, 6)


def test_the_label_nearest_to_the_center_of_a_cell():
    # Cells of 2x3 pixels; the center of the first lies at row 1, column 1.5: pixel (1, 1).
    assert labels_at(FINE, (2, 2)).tolist() == [[[7, 10], [19, 22]]]
    assert labels_at(FINE, (4, 6)) is FINE
    assert labels_at(torch.tensor([[[1, 170]]]), (2, 4)).tolist() == [[[1, 1, 170, 170]] * 2]


def test_a_cell_counts_by_its_nearest_or_by_all_of_its_labels():
    labels = torch.zeros(1, 4, 6, dtype=torch.long)
    labels[0, 1, 1] = 255  # the nearest of the first cell
    labels[0, 0, 3] = 255  # in the second cell, away from its center
    labels[0, 3, 0] = 7
    assert valid_at(labels, (2, 2)).tolist() == [[[False, True], [True, True]]]
    assert valid_at(labels, (2, 2), 'all').tolist() == [[[False, False], [True, True]]]
    assert valid_at(labels, (4, 6), 'all').sum() == 22
    assert valid_at(labels, (2, 2), ignore_index=7).all()
    assert valid_at(labels, (2, 2), 'all', ignore_index=7).sum() == 3


@pytest.mark.parametrize('size', [(3, 4), (5, 7), (1, 1)])
def test_all_is_stricter_than_nearest_for_uneven_cells_too(size):
    labels = torch.where(torch.rand(8, 11, 13) < 0.05, 255, 0)
    strict, nearest = valid_at(labels, size, 'all'), valid_at(labels, size)
    assert (strict <= nearest).all()
    assert strict.shape == (8, *size)
