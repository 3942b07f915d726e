"""Domain adaptation: the published settings, and one step of every config on small networks."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from torch import nn

from dts.datasets.transforms import loading
from dts.registry import DATASETS, HOOKS, METRICS, MODELS
from small_trees import (
    make_acdc,
    make_cityscapes,
    make_dark_zurich,
    make_gta5,
    make_synthia,
)
from toys import toy_sample

CONFIGS = Path(__file__).parents[2] / 'configs'
NAMES = sorted(path.stem for path in (CONFIGS / 'uda').glob('*.py'))
PUBLISHED = [name for name in NAMES if '40k' in name or '250k' in name]
BASELINES = ('source-only', 'oracle')
SIZE = (64, 64)
MAKERS = {
    'gta': make_gta5,
    'synthia': make_synthia,
    'cityscapes': make_cityscapes,
    'acdc': make_acdc,
    'darkzurich': make_dark_zurich,
}
TERMS = {
    'source-only': {'sup.decode'},
    'oracle': {'sup.decode'},
    'dacs': {'source.decode', 'mix.decode'},
    'daformer': {'source.decode', 'mix.decode', 'distance'},
    'daformer-style': {'source.decode', 'mix.decode', 'distance'},
    'hrda': {'source.decode', 'source.detail', 'mix.decode', 'mix.detail', 'distance'},
    'mic_fpn': {'source.decode', 'mix.decode', 'distance', 'masked.decode'},
}
TERMS['mic_hrda'] = TERMS['hrda'] | {'masked.decode', 'masked.detail'}


def read(name: str) -> Config:
    return Config.fromfile(CONFIGS / 'uda' / f'{name}.py', format_python_code=False)


def method_of(name: str) -> str:
    return name.partition('_')[0]


def streams_of(name: str) -> list[str]:
    """Return source and target of a published setting."""
    return re.search('_([a-z]+2[a-z]+)-', name)[1].split('2')


def shrink(config: Config) -> None:
    """Make networks of published size tiny; pretrained weights become random ones."""
    student = config.model.student
    student.data_preprocessor.size = SIZE
    student.backbone.init_cfg = dict(type='Normal', layer='Conv2d', std=0.1)
    if student.backbone.type == 'MixVisionTransformer':
        student.backbone.update(embed_dims=8, num_layers=[1] * 4, num_heads=[1] * 4)
        student.decode_head.update(in_channels=[8] * 4, channels=8)
    elif student.backbone.type == 'ResNetV1c':
        # oneDNN writes past its buffers in the backward pass of narrower dilated networks
        student.backbone.update(depth=18, base_channels=16, stem_channels=16)
        student.decode_head.in_channels = 128
    if 'detail_size' in student:
        student.detail_size = (32, 32)
    if 'threshold' in config.model:
        config.model.threshold = 0.0  # all pseudo-labels count


def batch_of(config: Config) -> dict[str, Any]:
    """Return random images for the branches that the data give, labels where they are loaded.

    One image is all of the last class: a thing, where there is a feature distance.
    """
    rng, loader = np.random.default_rng(0), config.train_dataloader
    branches = {}
    for name, count in loader.sampler.batch.items():
        *steps, last = loader.dataset.streams[name].pipeline
        has_labels = any(step.type == 'dts.LoadLabels' for step in steps)
        for branch in last.branches if count else ():
            classes = config.num_classes if has_labels else None
            branches[branch] = [toy_sample(SIZE, classes, rng) for _ in range(2)]
            if has_labels:
                branches[branch][0]['data_samples'].gt_sem_seg.data[:] = config.num_classes - 1
    return {
        key: {branch: [s[key] for s in samples] for branch, samples in branches.items()}
        for key in ('inputs', 'data_samples')
    }


def start(config: Config) -> SimpleNamespace:
    """Return what a runner has after its hooks have met the method."""
    method = MODELS.build(config.model).train()
    stream = next(iter(config.train_dataloader.dataset.streams.values()))
    dataset = SimpleNamespace(metainfo=DATASETS.get(stream.type).METAINFO)
    runner = SimpleNamespace(
        cfg=config,
        model=method,
        optim_wrapper=build_optim_wrapper(method, config.optim_wrapper),
        message_hub=MessageHub.get_instance('uda_configs'),
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(streams={'first': dataset})),
        hooks=[HOOKS.build(hook) for hook in config.custom_hooks],
    )
    for hook in runner.hooks:
        hook.before_train(runner)
    return runner


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_step_has_the_terms_of_its_method_and_moves_the_head(name: str) -> None:
    config = read(name)
    shrink(config)
    config.custom_hooks = config.get('custom_hooks', [])
    runner = start(config)
    weight = runner.model.student.decode_head.conv_seg
    weight = next(weight.parameters())
    before = weight.detach().clone()
    logged = runner.model.train_step(batch_of(config), runner.optim_wrapper)
    terms = {key: float(value) for key, value in logged.items() if 'loss_' in key}
    short = {
        key.replace('source.loss_distance', 'distance').removesuffix('.loss_ce') for key in terms
    }
    key = '_'.join(name.split('_')[:2]) if name.startswith('mic') else method_of(name)
    assert short == TERMS[key]
    assert all(0 < term < np.inf for term in terms.values())
    assert not torch.equal(before, weight)
    for hook in runner.hooks:
        if hasattr(hook, 'move'):
            hook.move(runner)
            assert runner.model.teachers['teacher'].updates == 1


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_every_parameter_has_its_rate_and_decay(name: str) -> None:
    config = read(name)
    shrink(config)
    method = MODELS.build(config.model)
    optimizer = build_optim_wrapper(method, config.optim_wrapper).optimizer
    found = {id(p): g for g in optimizer.param_groups for p in g['params']}
    norms = {
        id(parameter): module
        for module in method.modules()
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d)
        for parameter in module.parameters()
    }
    base, factor, decay = 1e-3, 4.0, 0.01
    if name in PUBLISHED:
        base, factor, decay = (2.5e-4, 10.0, 5e-4) if '250k' in name else (6e-5, 10.0, 0.01)
    for key, parameter in method.named_parameters():
        is_head = not key.startswith('student.backbone.')
        keeps = id(parameter) not in norms or is_head
        is_frozen = '250k' in name and id(parameter) in norms
        assert (id(parameter) not in found) is (not parameter.requires_grad) is is_frozen, key
        if is_frozen:
            continue
        group = found[id(parameter)]
        assert group['lr'] == pytest.approx(base * (factor if is_head else 1.0)), key
        assert group['weight_decay'] == (decay if keeps else 0.0), key
    assert len(optimizer.param_groups) <= 3


@pytest.mark.slow
@pytest.mark.parametrize('name', PUBLISHED)
def test_published_settings(name: str) -> None:
    config = read(name)
    method, source = method_of(name), streams_of(name)[0]
    model, student, sampler = config.model, config.model.student, config.train_dataloader.sampler
    is_full = method in ('hrda', 'mic')
    crop = (1024, 1024) if is_full else (512, 512)
    assert (student.data_preprocessor.size, config.crop_size) == (crop, crop)
    expected = (
        dict(mode='slide', crop_size=crop, stride=(512, 512)) if is_full else {'mode': 'whole'}
    )
    assert student.test_cfg == expected
    drawn = {'source-only': {'source': 2, 'target': 0}, 'oracle': {'target': 2}}
    assert sampler.batch == drawn.get(method, {'source': 2, 'target': 2})
    assert config.auto_scale_lr == dict(
        enable=True, base_batch_size=config.train_dataloader.batch_size
    )
    is_adapted = method not in BASELINES
    assert config.test_cfg.models == config.val_cfg.models
    assert config.test_cfg.models == ['student', 'teacher'][: 1 + is_adapted]
    assert config.train_cfg.max_iters == config.train_cfg.val_interval * (
        50 if method == 'dacs' else 10
    )
    assert model.criterion.avg_non_ignore is (method == 'dacs')
    rare = (
        dict(temperature=0.01, min_pixels=3000) if method in ('daformer', 'hrda', 'mic') else None
    )
    assert (sampler.rare_class and sampler.rare_class.source) == rare
    metric = 'mIoU16' if source == 'synthia' else 'mIoU'
    assert config.default_hooks.checkpoint.save_best == f'student/{metric}'
    for evaluator in (config.val_evaluator, config.test_evaluator):
        subsets = {key: len(classes) for key, classes in METRICS.build(evaluator).subsets.items()}
        assert subsets == ({'mIoU16': 16, 'mIoU13': 13} if source == 'synthia' else {})
    if is_adapted:
        check_host(config, method, source)


def check_host(config: Config, method: str, source: str) -> None:
    """Check the published numbers of a method and of its network."""
    model = config.model
    assert (model.threshold, model.weighting) == (0.968, 'batch_fraction')
    strength = 0.25 if method == 'dacs' else 0.2
    assert (model.color.strength, model.color.adjustments) == (strength, 'kornia')
    ema = config.custom_hooks[0]
    expected = (0.99, 0) if method == 'dacs' else (0.999, 1)
    assert (ema.type, ema.decay, ema.get('first_count', 0)) == ('dts.EmaTeacherHook', *expected)
    distance = dict(classes=[6, 7, *range(11, 19)], weight=0.005, min_share=0.75)
    assert model.get('feature_distance') == (None if method == 'dacs' else distance)
    color = source in ('gta', 'synthia')
    masking = dict(block_size=64, ratio=0.7, weight=1.0, color=color)
    if not color:
        masking['images'] = 'separate'
    assert model.get('masking') == (masking if method == 'mic' else None)
    network = {'dacs': 'deeplabv2_r101', 'daformer': 'daformer_mit-b5'}.get(method, 'hrda_mit-b5')
    base = Config.fromfile(CONFIGS / f'_base_/models/{network}.py', format_python_code=False).model
    base.test_cfg, base.data_preprocessor.size = model.student.test_cfg, config.crop_size
    if method == 'dacs':
        base.backbone.norm_cfg.requires_grad, base.decode_head.align_corners = False, True
        base.decode_head.dilations = (6, 12)  # what the released head sums of its four branches
    assert model.student == base


@pytest.mark.slow
@pytest.mark.parametrize(
    'name', [name for name in PUBLISHED if method_of(name) in ('dacs', *BASELINES)]
)
def test_data_that_differ_from_the_data_configs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    opened: list[str] = []
    plain = loading.read_complete

    def watched(path: str, backend_args: Any, kind: str) -> bytes:
        opened.extend([path] if kind == 'Mask' else [])
        return plain(path, backend_args, kind)

    monkeypatch.setattr(loading, 'read_complete', watched)
    method, (source, target) = method_of(name), streams_of(name)
    target_root = MAKERS[target](tmp_path)
    roots = [] if method == 'oracle' else [MAKERS[source](tmp_path)]  # an oracle needs no source
    config = read(name)
    loader = config.train_dataloader
    loader.num_workers, loader.persistent_workers = 0, False
    for stream in loader.dataset.streams.values():
        stream.serialize_data = False  # serializing collects garbage: half a second
    batch = next(iter(Runner.build_dataloader(loader, seed=3)))
    expected = {'source': 2, 'target': 2} if method == 'dacs' else {'labeled': 2}
    assert {branch: len(images) for branch, images in batch['inputs'].items()} == expected
    assert {tuple(i.shape) for images in batch['inputs'].values() for i in images} == {
        (3, 512, 512)
    }
    labeled_root = target_root if method == 'oracle' else roots[0]
    assert len(opened) == 2
    assert all(labeled_root in Path(path).parents for path in opened)
    if method == 'dacs':
        assert not any(s.margin_map.data.any() for s in batch['data_samples']['target'])
        assert not any(s.get('flip') for samples in batch['data_samples'].values() for s in samples)
        size = (1280, 720) if source == 'gta' else (1280, 760)
        resize = loader.dataset.streams.source.pipeline[2]
        assert (resize.scale, resize.keep_ratio) == (size, source != 'gta')
    else:
        pipeline = next(iter(loader.dataset.streams.values())).pipeline
        scale = config.target_scale if method == 'oracle' else config.source_scale
        assert (pipeline[2].scale, pipeline[3].cat_max_ratio) == (scale, 0.75)
        assert pipeline[-1].branches.labeled[0].type == 'PhotoMetricDistortion'


@pytest.mark.slow
@pytest.mark.parametrize('name', [n for n in NAMES if n not in PUBLISHED])
def test_cpu_scale(name: str) -> None:
    config = read(name)
    method, streams = method_of(name), config.train_dataloader.dataset.streams
    assert config.train_cfg.max_iters == (400 if 'camvid' in name else 250)
    is_rare = method not in ('dacs', *BASELINES)
    rare = config.train_dataloader.sampler.get('rare_class')
    assert rare == (config.rare_class if is_rare else None)
    assert config.model.student.test_cfg == {'mode': 'whole'}  # equal in all rows of a table
    if method in BASELINES:
        stream = streams.target if method == 'oracle' else streams.source
        assert stream.pipeline[-1].branches == config.source_only_branches
    if method == 'oracle':
        unlabeled = read(name.replace('oracle', 'dacs')).train_dataloader.dataset.streams.target
        assert list(streams) == ['target']
        for key in ('ann_file', 'look', 'split'):
            assert streams.target.get(key) == unlabeled.get(key)
        assert streams.target.get('labeled') or 'seg_map_path' in streams.target.data_prefix
