"""A teacher that does without its labels is named."""

from types import SimpleNamespace

import pytest

from dts.hooks.label_use import LabelUseHook


def warnings_of(metrics):
    warnings = []
    runner = SimpleNamespace(logger=SimpleNamespace(warning=warnings.append))
    LabelUseHook().after_val_epoch(runner, metrics)
    return warnings


@pytest.mark.parametrize('with_labels', [57.2, 50.0, 61.8])
def test_a_teacher_that_scores_the_same_without_labels_is_named(with_labels):
    (warning,) = warnings_of(
        {'teacher_with_labels/mIoU': with_labels, 'teacher_zeroed/mIoU': 56.85}
    )
    assert f'{with_labels} mIoU with labels and 56.9 without' in warning
    assert "family='one_hot'" in warning


def test_a_teacher_that_copies_its_labels_is_named():
    scores = {'teacher_with_labels/mIoU': 85.4, 'teacher_zeroed/mIoU': 42.8}
    (warning,) = warnings_of({**scores, 'teacher_blank_image/mIoU': 86.5})
    assert '85.4 mIoU with image and labels and 86.5 with labels alone' in warning
    assert "family='gaussian'" in warning
    assert warnings_of({**scores, 'teacher_blank_image/mIoU': 80.4}) == []


@pytest.mark.parametrize(
    'metrics',
    [
        {'teacher_with_labels/mIoU': 61.9, 'teacher_zeroed/mIoU': 56.85},
        {'teacher_with_labels/mIoU': 57.2},
        {'student/mIoU': 57.2},
        None,
    ],
)
def test_others_are_not(metrics):
    assert warnings_of(metrics) == []
