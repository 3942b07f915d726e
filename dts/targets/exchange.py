"""Which teacher's labels a group learns from: the exchange rule of DTS.

Groups are counted from 0. Source: our reconstruction; Huo et al., ICCV 2023, say "bidirectional
learning" and released no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from dts.targets.pseudo_label import PseudoLabels

ExchangeRule = Literal['cross', 'self', 'mean', 'both', 'one_way_1to2', 'one_way_2to1']
EXCHANGE_RULES: tuple[str, ...] = get_args(ExchangeRule)


class Opinion(NamedTuple):
    """Labels that a group shall learn.

    Attributes:
        target: labels and confidence of the target images.
        factor: factor >= 0 of the weight of its pixels.
    """

    target: PseudoLabels
    factor: float = 1.0


def exchange(
    rule: ExchangeRule, group: int, targets: Sequence[PseudoLabels], lambda_cross: float
) -> list[Opinion]:
    """Return the labels that a group learns.

    - ``self``: those of its own teacher; the groups never meet.
    - ``cross``: those of the other group's teacher.
    - ``mean``: those of the mean of both teachers' probabilities.
    - ``both``: its own and the other's, added.
    - ``one_way_1to2``: the first teacher's for both groups; ``one_way_2to1``: the second's.

    Args:
        rule: one of ``EXCHANGE_RULES``.
        group: the group, 0 or 1.
        targets: labels of every group's teacher, for ``mean`` those of the mean; a single group has
            no other, so that any rule gives its own.
        lambda_cross: factor >= 0 of labels that come from the other group alone.

    Returns:
        One answer, two for ``both``; the group's own comes first.
    """
    own = Opinion(targets[group])
    if len(targets) == 1 or rule in ('self', 'mean'):
        return [own]
    other = Opinion(targets[1 - group], lambda_cross)
    if rule == 'both':
        return [own, other]
    teacher = {'cross': 1 - group, 'one_way_1to2': 0, 'one_way_2to1': 1}[rule]
    return [own if teacher == group else other]
