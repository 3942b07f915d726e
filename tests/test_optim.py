"""Merged groups hold every parameter once, with the settings that MMEngine gave it."""

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, build_optim_wrapper

from dts.optim import merge_groups
from dts.registry import MODELS
from toys import toy_segmentor_config

CONFIG = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1),
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict(decode_head=dict(lr_mult=4.0))),
)


def settings(optimizer):
    return {
        id(parameter): (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for parameter in group['params']
    }


def test_every_parameter_keeps_its_settings_in_fewer_groups():
    model = MODELS.build(toy_segmentor_config())
    merged = build_optim_wrapper(
        model, dict(CONFIG, constructor='dts.MergingOptimWrapperConstructor')
    ).optimizer
    config = {key: value for key, value in CONFIG.items() if key != 'paramwise_cfg'}
    plain = DefaultOptimWrapperConstructor(config, CONFIG['paramwise_cfg'])(model).optimizer
    assert settings(merged) == settings(plain)
    assert len(settings(merged)) == len(list(model.parameters()))
    assert len(plain.param_groups) == len(list(model.parameters()))
    assert len(merged.param_groups) == 3  # backbone, its norm without decay, head


def test_merging_by_hand():
    a, b, c = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))
    groups = [dict(params=[a], lr=1.0), dict(params=b, lr=2.0), dict(params=[c], lr=1.0)]
    assert merge_groups(groups) == [dict(lr=1.0, params=[a, c]), dict(lr=2.0, params=[b])]
