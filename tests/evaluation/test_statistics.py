"""Means, spreads and paired differences by hand."""

from __future__ import annotations

from dts.evaluation.statistics import Summary, mean_over_splits, paired_difference, summarize


def test_summary_is_mean_and_sample_deviation() -> None:
    assert summarize([1.0, 2.0, 6.0]) == Summary(3.0, 7.0**0.5, 3)  # (4 + 1 + 9) / 2
    assert summarize([5.0]) == Summary(5.0, None, 1)
    assert summarize([]) == Summary(None, None, 0)


def test_mean_over_splits_leaves_out_seeds_that_lack_a_split() -> None:
    assert mean_over_splits([{0: 10.0, 1: 20.0}, {1: 40.0, 2: 0.0}]) == {1: 30.0}


def test_difference_is_paired_by_seed() -> None:
    assert paired_difference({0: 5.0, 1: 7.0}, {1: 10.0, 2: 1.0}) == {1: -3.0}
