"""Whose labels a group learns, rule by rule."""

import pytest
import torch

from dts.targets.exchange import EXCHANGE_RULES, exchange
from dts.targets.pseudo_label import PseudoLabels

FIRST = PseudoLabels(torch.zeros(1, 2, 2, dtype=torch.int64), torch.ones(1, 2, 2))
SECOND = PseudoLabels(torch.ones(1, 2, 2, dtype=torch.int64), torch.ones(1, 2, 2))

# rule -> (teacher, factor) that the first group learns, and the second; 0.5 marks the other's
EXPECTED = {
    'self': ([(0, 1.0)], [(1, 1.0)]),
    'mean': ([(0, 1.0)], [(1, 1.0)]),  # the method passes the mean for both
    'cross': ([(1, 0.5)], [(0, 0.5)]),
    'both': ([(0, 1.0), (1, 0.5)], [(1, 1.0), (0, 0.5)]),
    'one_way_1to2': ([(0, 1.0)], [(0, 0.5)]),
    'one_way_2to1': ([(1, 0.5)], [(1, 1.0)]),
}


@pytest.mark.parametrize('rule', EXCHANGE_RULES)
@pytest.mark.parametrize('group', [0, 1])
def test_rule(rule, group):
    opinions = exchange(rule, group, [FIRST, SECOND], lambda_cross=0.5)
    found = [(0 if opinion.target is FIRST else 1, opinion.factor) for opinion in opinions]
    assert found == EXPECTED[rule][group]


@pytest.mark.parametrize('rule', EXCHANGE_RULES)
def test_a_single_group_learns_from_its_own_teacher(rule):
    (opinion,) = exchange(rule, 0, [FIRST], lambda_cross=0.5)
    assert opinion.target is FIRST
    assert opinion.factor == 1.0
