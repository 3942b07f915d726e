"""Means, spreads and paired differences of scores over seeds. Pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

BySeed = dict[int, float]


class Summary(NamedTuple):
    """Mean over seeds.

    Attributes:
        mean: None when there is no value.
        spread: sample standard deviation (denominator n - 1), None for fewer than two values.
        size: number of values n.
    """

    mean: float | None
    spread: float | None
    size: int


def summarize(values: Iterable[float]) -> Summary:
    """Return mean and sample standard deviation.

    Args:
        values: any number of them.

    Returns:
        The summary.
    """
    known = list(values)
    mean = statistics.fmean(known) if known else None
    spread = statistics.stdev(known) if len(known) > 1 else None
    return Summary(mean, spread, len(known))


def mean_over_splits(splits: Sequence[Mapping[int, float]]) -> BySeed:
    """Return per seed the mean over all splits.

    Args:
        splits: seed -> score, one mapping per split.

    Returns:
        seed -> mean; seeds that lack a split are left out, since their mean would favor the easy
        splits.
    """
    seeds = set.intersection(*(set(split) for split in splits))
    return {seed: statistics.fmean(split[seed] for split in splits) for seed in sorted(seeds)}


def paired_difference(scores: Mapping[int, float], baseline: Mapping[int, float]) -> BySeed:
    """Return per seed how much better a score is than the baseline's with the same seed.

    Args:
        scores: seed -> score.
        baseline: seed -> score.

    Returns:
        seed -> difference, for the seeds that both have.
    """
    return {seed: scores[seed] - baseline[seed] for seed in sorted(scores.keys() & baseline.keys())}
