"""Draw labeled and unlabeled lists: seeded, nested, stratified by group or by class cover.

For one seed there is one order of the images of every group, and every split takes a prefix of
it. Splits of one seed are therefore nested, and a larger split adds images to a smaller one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dts.datasets.split_cover import move_cover_to_front

SINGLE_GROUP = 'all'


@dataclass(frozen=True)
class Split:
    """One drawn split; labeled and unlabeled ids are sorted and together are the whole list.

    Args:
        labeled: ids to train on with labels.
        unlabeled: all other ids.
        group_counts: group -> number of labeled ids.
    """

    labeled: tuple[str, ...]
    unlabeled: tuple[str, ...]
    group_counts: dict[str, int]


def parse_size(text: str, total: int) -> int:
    """Return the number of labels that a size stands for.

    Args:
        text: a count (``92``) or a fraction of the whole list (``1/16``), which is rounded to the
            nearest count, halves up.
        total: number of images in the whole list.

    Returns:
        Number of labels, in [1, total - 1].

    Raises:
        ValueError: if the text is neither, or the count leaves no labeled or no unlabeled image.

    Example:
        >>> parse_size('1/16', 367), parse_size('92', 367)
        (23, 92)
    """
    if not re.fullmatch(r'\d+(?:/0*[1-9]\d*)?', text):
        raise ValueError(f'size {text!r}: expected a count such as 92 or a fraction such as 1/16')
    share = Fraction(text)
    count = int(share * total + Fraction(1, 2)) if '/' in text else int(share)
    if not 1 <= count < total:
        raise ValueError(
            f'size {text!r} asks for {count} labels, but the whole list has {total} images: '
            f'give at least 1 and at most {total - 1}, so that images stay unlabeled'
        )
    return count


def group_ids(ids: Sequence[str], pattern: str | None = None) -> dict[str, list[str]]:
    """Sort ids into groups, such as the sequences that video frames come from.

    Args:
        ids: image ids without repeats.
        pattern: regular expression matched at the start of an id; the group is what its first
            parenthesis matched, or the whole match if it has none. None: one group, ``all``.

    Returns:
        Group -> sorted ids, groups sorted.

    Raises:
        ValueError: if the pattern is no regular expression or does not match an id.

    Example:
        >>> group_ids(['b_1', 'a_2', 'a_1'], '[^_]+')
        {'a': ['a_1', 'a_2'], 'b': ['b_1']}
    """
    if pattern is None:
        return {SINGLE_GROUP: sorted(ids)}
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f'group pattern {pattern!r} is no regular expression: {error}') from error
    groups: dict[str, list[str]] = {}
    for item in sorted(ids):
        match = compiled.match(item)
        name = match.group(1 if compiled.groups else 0) if match else None
        if not name:
            raise ValueError(
                f'group pattern {pattern!r} finds no group in {item!r}; '
                'it must match the start of every id'
            )
        groups.setdefault(name, []).append(item)
    return dict(sorted(groups.items()))


def largest_remainder(
    total: int, weights: Mapping[str, int], floors: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Share a total among groups in proportion to their weights, by largest remainder.

    Every group gets the whole part of ``total * weight / sum(weights)``; what is left goes to the
    largest remainders, at equal remainders in the order of ``weights``. Alone, this rule can take
    from a group when the total grows (Alabama paradox), which would break nesting; so a group
    that falls below its floor keeps the floor, and the others share the rest by the same rule.

    Args:
        total: what to share, in [0, sum(weights)].
        weights: group -> weight > 0, e.g. its number of images.
        floors: group -> least share; their sum is at most ``total``. None: no floor.

    Returns:
        Group -> share, at most its weight; the shares add up to ``total``.

    Example:
        >>> largest_remainder(10, {'a': 6, 'b': 6, 'c': 2})
        {'a': 4, 'b': 4, 'c': 2}
    """
    floors = floors or {}
    fixed: dict[str, int] = {}
    while True:
        free = {group: weight for group, weight in weights.items() if group not in fixed}
        rest, weight_sum = total - sum(fixed.values()), sum(free.values())
        shares = {group: rest * weight // weight_sum for group, weight in free.items()}
        # sorted() is stable: equal remainders stay in the order of the weights.
        by_remainder = sorted(free, key=lambda group: -(rest * free[group] % weight_sum))
        for group in by_remainder[: rest - sum(shares.values())]:
            shares[group] += 1
        below = {group for group, share in shares.items() if share < floors.get(group, 0)}
        if not below:
            shares |= fixed
            return {group: shares[group] for group in weights}
        fixed |= {group: floors[group] for group in below}


def draw_splits(
    groups: Mapping[str, Sequence[str]],
    counts: Sequence[int],
    *,
    name: str,
    seed: int,
    presence: Mapping[str, frozenset[int]] | None = None,
) -> list[Split]:
    """Draw nested splits of the given sizes for one seed.

    The order of a group is ``random.Random(f'{name}-{seed}-{group}').shuffle`` of its sorted ids,
    so it depends on nothing but these three and the ids of the group.

    Args:
        groups: group -> ids, see `group_ids`.
        counts: number of labels of every split wanted, each in [1, number of ids].
        name: first part of the seed text, e.g. the name of the data set.
        seed: number of the draw.
        presence: id -> classes it shows (see `dts.datasets.split_cover.read_presence`); the
            smallest split then shows every class that any image shows. None: no such demand.

    Returns:
        One split per count, in the order of ``counts``.

    Raises:
        ValueError: if the smallest split is too small for the classes.
    """
    weights = {group: len(ids) for group, ids in groups.items()}
    shares: dict[int, dict[str, int]] = {}
    floors: dict[str, int] = {}
    for count in sorted(set(counts)):
        floors = shares[count] = largest_remainder(count, weights, floors)
    orders = {group: sorted(ids) for group, ids in groups.items()}
    for group, order in orders.items():
        random.Random(f'{name}-{seed}-{group}').shuffle(order)
    if presence is not None:
        orders = move_cover_to_front(orders, shares[min(counts)], presence)
    return [_take(orders, shares[count]) for count in counts]


def _take(orders: Mapping[str, Sequence[str]], share: Mapping[str, int]) -> Split:
    """Cut every order at its share."""
    labeled = sorted(item for group, order in orders.items() for item in order[: share[group]])
    unlabeled = sorted(item for group, order in orders.items() for item in order[share[group] :])
    return Split(tuple(labeled), tuple(unlabeled), dict(share))
