"""Two groups over every host: one step of every config on small networks."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from test_uda_configs import batch_of, shrink, start

CONFIGS = Path(__file__).parents[2] / 'configs'
NAMES = sorted(path.stem for path in (CONFIGS / 'dts').glob('*.py'))
FIRST = {'source.decode', 'mix_source_target.decode'}
SECOND = {'source.decode', 'mix_target_target.decode'}
DETAIL = {'dacs', 'daformer', 'mean-teacher'}  # hosts whose student has one resolution


def expected_terms(host: str) -> set[str]:
    """Names of the losses of both groups."""
    if host == 'mean-teacher':
        first = {'source.decode', 'mix_source_target'}
        second = {'source.decode', 'mix_target_target'}
    else:
        first, second = set(FIRST), set(SECOND)
    if host == 'mic':
        first, second = first | {'masked.decode'}, second | {'masked.decode'}
    if host not in DETAIL:
        first |= {term.replace('decode', 'detail') for term in first}
        second |= {term.replace('decode', 'detail') for term in second}
    if host in ('daformer', 'hrda', 'mic'):
        for terms in (first, second):  # both see plain source images
            terms.add('source.loss_distance')
    return {f'group_1.{term}' for term in first} | {f'group_2.{term}' for term in second}


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_step_has_the_terms_of_both_groups_and_moves_both(name: str) -> None:
    config = Config.fromfile(CONFIGS / 'dts' / f'{name}.py', format_python_code=False)
    view = Config(dict(model=config.model.host.to_dict()))
    shrink(view)
    config.model.host = view.model
    runner = start(config)
    runner.hooks[0].before_train_iter(runner, 0)
    method = runner.model
    heads = [next(s.decode_head.conv_seg.parameters()) for s in method.students.values()]
    before = [weight.detach().clone() for weight in heads]
    assert (before[0] == before[1]).all()
    logged = method.train_step(batch_of(config), runner.optim_wrapper)
    terms = {key: float(value) for key, value in logged.items() if 'loss_' in key}
    assert {key.removesuffix('.loss_ce') for key in terms} == expected_terms(
        name.removeprefix('dts-').partition('_')[0]
    )
    assert all(0 < term < np.inf for term in terms.values())
    for weight, old in zip(heads, before, strict=True):
        assert not (weight == old).all()
    runner.optim_wrapper._inner_count = 1
    runner.hooks[0].after_train_iter(runner, 0)
    assert [method.teachers[name].updates for name in ('teacher', 'teacher_2')] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_groups_share_the_hosts_optimizer_rules(name: str) -> None:
    config = Config.fromfile(CONFIGS / 'dts' / f'{name}.py', format_python_code=False)
    view = Config(dict(model=config.model.host.to_dict()))
    shrink(view)
    config.model.host = view.model
    runner = start(config)
    method = runner.model
    found = {id(p): g for g in runner.optim_wrapper.optimizer.param_groups for p in g['params']}
    first, second = (dict(student.named_parameters()) for student in method.students.values())
    assert first.keys() == second.keys()
    for key, weight in first.items():
        if weight.requires_grad:
            assert found[id(weight)] is found[id(second[key])], key
    rates = {id(group): group['lr'] for group in found.values()}
    assert len(set(rates.values())) == 2  # backbone, and heads
