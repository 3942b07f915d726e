"""Whole runs of self-training with every switch on: ranks, resume, accumulation, bfloat16, devices.

Two ranks compute what one process computes from the global batch if the weight of a pixel depends
on its image alone (``pixel_mask``, ``image_fraction``), and every rank has equally many labelled
pixels and, for the feature distance, selected features. ``batch_fraction``, which the hosts take,
is the share of the batch of a rank: with it two ranks weigh pixels as two smaller batches do.
"""

from __future__ import annotations

import copy
import random
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from test_devices import student as student_of
from test_ranks import flat, states
from test_resume import assert_equal_bitwise, everything
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.checkpoints.find import find_newest_checkpoint
from dts.hooks.ema_teacher import EmaTeacherHook
from dts.methods import self_training
from dts.registry import MODELS
from dts.report.logged import read_logged
from runs import in_child, make_images, on_ranks, run_config, small_segformer, train
from toys import strip_data, toy_segmentor_config, uda_batch

CROP = (32, 32)
MARGINS = dict(top=2, bottom=6, left=1, right=1)
# The last level has one feature per crop: with shares from 0.4 on most crops are selected.
SWITCHES: dict[str, Any] = dict(
    color=dict(type='dts.ColorAugmentation', strength=0.2),
    feature_distance=dict(classes=[1, 2], weight=0.1, min_share=0.4),
    masking=dict(block_size=8, ratio=0.5),
)


def adaptation(
    root: Path, work_dir: Path, batch: int = 2, student: str = 'plain', **overrides: Any
) -> Config:
    """Turn a run of ``run_config`` into one of self-training with all switches on."""
    config = run_config(root, work_dir)
    backbone = config.model.student.backbone
    if student == 'hrda':
        two_resolutions = dict(type='dts.HRDAEncoderDecoder', detail_size=(16, 16), stride=4)
        config.model.student.update(two_resolutions)
        backbone.sr_ratios = [4, 2, 1, 1]  # the first level of a window is 4x4
    weights = root / 'backbone.pth'
    if not weights.is_file():
        torch.save(dict(state_dict=MODELS.build(backbone).state_dict()), weights)
    backbone.init_cfg = dict(type='Pretrained', checkpoint=str(weights))
    config.model = dict(
        type='dts.SelfTraining', student=config.model.student, threshold=0.4, **SWITCHES
    )
    config.custom_hooks = [
        dict(type='dts.EmaTeacherHook', decay=0.9, first_count=1),
        dict(type='dts.ReferenceEncoderHook'),
    ]
    loader = config.train_dataloader
    streams = loader.dataset.streams
    source, target = streams.pop('labeled'), streams.pop('unlabeled')
    crop = dict(type='dts.RareClassCrop', crop_size=CROP, min_pixels=200)
    source.pipeline = [*source.pipeline[:3], crop, source.pipeline[4], branch('source', 'mmseg')]
    marked = dict(type='dts.MarkMargins', **MARGINS)
    target.pipeline = [target.pipeline[0], marked, *target.pipeline[1:4], branch('target', 'dts')]
    streams.update(source=source, target=target)
    loader.batch_size = 2 * batch
    loader.sampler = dict(
        type='dts.RatioSampler',
        batch=dict(source=batch, target=batch),
        rare_class=dict(source=dict(temperature=0.1, min_pixels=100)),
    )
    target.data_prefix = dict(img_path='images')  # no label of it is ever opened
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.merge_from_dict(overrides)
    return config


def branch(name: str, scope: str) -> dict[str, Any]:
    """Config of the end of a pipeline: one branch; that of the target packs its margins."""
    pack = 'PackSegInputs' if scope == 'mmseg' else 'dts.PackWithMargins'
    return dict(type='dts.Branches', branches={name: [dict(type=pack)]})


# Every host asks its teachers by batch statistics; HRDA and MIC have a student of two resolutions.
MODES = pytest.mark.parametrize(
    ('student', 'batch_statistics'), [('plain', False), ('plain', True), ('hrda', True)]
)


def dumped(config: Config, folder: Path) -> Config:
    """Let every rank write what it holds in the end."""
    folder.mkdir(exist_ok=True)
    config.custom_hooks = [*config.custom_hooks, dict(type='dts.DumpHook', folder=str(folder))]
    return config


@pytest.mark.slow
@MODES
def test_students_teachers_and_buffers_are_equal_on_two_ranks(
    tmp_path: Path, student: str, batch_statistics: bool
) -> None:
    make_images(tmp_path)
    run = dict(student=student, train_cfg=dict(max_iters=8))
    config = adaptation(tmp_path, tmp_path / 'run', **run)
    config.custom_hooks[0].batch_statistics = batch_statistics
    on_ranks(train, dumped(config, tmp_path / 'run'))
    first, second = (flat(state) for state in states(tmp_path / 'run'))
    statistics = [name for name in first if 'running_mean' in name]
    assert {name.split('.')[0] for name in statistics} == {'student', 'teacher'}
    assert any((first[name] != 0).any() for name in statistics)
    shared = {name.removeprefix('student.') for name in statistics if name.startswith('student.')}
    same = all(torch.equal(first[f'student.{n}'], first[f'teacher.{n}']) for n in shared)
    assert same is not batch_statistics
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.slow
def test_trap_03_two_ranks_learn_what_one_process_learns_from_the_global_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path)
    # Nothing is drawn in the step: the same class is pasted everywhere and no block is dropped.
    monkeypatch.setattr(self_training, 'draw_classes', lambda labels, *_, **__: labels == 1)
    quiet = dict(
        model=dict(
            weighting='image_fraction',
            threshold=0.4,
            color=None,
            masking=dict(ratio=0.0, color=False),
            feature_distance=dict(classes=[0, 1, 2], min_share=0.0),  # means over all features
        ),
        optim_wrapper=dict(optimizer=dict(_delete_=True, type='SGD', lr=0.05)),
        train_cfg=dict(max_iters=3),
    )
    start = tmp_path / 'start.pth'
    for name, batch, run in (('two', 1, on_ranks), ('one', 2, in_child)):
        config = adaptation(tmp_path, tmp_path / name, batch)
        student = small_segformer(drop=0.0, norm='GN')
        student.data_preprocessor = config.model.student.data_preprocessor
        student.backbone.init_cfg = config.model.student.backbone.init_cfg
        config.model.student = student
        config.merge_from_dict(quiet)
        # Where student and reference are equal, rounding decides the direction of their distance.
        if not start.is_file():
            torch.save(dict(meta={}, state_dict=MODELS.build(student).state_dict()), start)
        config.load_from = str(start)
        assert run(train, dumped(config, tmp_path / name)) in (None, 0)
    one, two = (torch.load(tmp_path / name / 'rank0.pth') for name in ('one', 'two'))
    torch.testing.assert_close(flat(two), flat(one), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@MODES
def test_a_killed_run_goes_on_bit_for_bit_with_rare_classes(
    tmp_path: Path, student: str, batch_statistics: bool
) -> None:
    make_images(tmp_path)

    def run(name: str) -> Config:
        options = dict(student=student, train_cfg=dict(max_iters=20))
        config = adaptation(tmp_path, tmp_path / name, **options)
        config.custom_hooks[0].batch_statistics = batch_statistics
        config.custom_hooks.append(dict(type='dts.ClassCollapseHook', interval=3))
        config.default_hooks.checkpoint.interval = 9
        return config

    assert in_child(train, run('straight')) == 0
    killed = run('killed')
    killed.custom_hooks = [*killed.custom_hooks, dict(type='dts.KillHook', iteration=13)]
    assert in_child(train, killed) == -signal.SIGKILL
    newest = find_newest_checkpoint(tmp_path / 'killed')
    assert newest.name == 'iter_9.pth'
    saved = torch.load(newest, weights_only=True)['dts']
    assert saved['streams']['rare_class']['source']['min_pixels'] == 100
    assert saved['teachers']['teachers']['teacher']['updates'] == 9
    resumed = run('killed')
    resumed.resume, resumed.load_from = True, str(newest)
    assert in_child(train, resumed) == 0
    files = [tmp_path / name / 'iter_20.pth' for name in ('straight', 'killed')]
    assert_equal_bitwise(*[everything(file) for file in files])
    straight, went_on = (torch.load(file)['dts']['class_collapse'] for file in files)
    assert went_on == straight
    assert any(saved['class_collapse']['largest'])


@pytest.mark.slow
@pytest.mark.parametrize('student', ['plain', 'hrda'])
def test_bf16_follows_float32(tmp_path: Path, student: str) -> None:
    make_images(tmp_path)
    first, source = {}, {}
    for name, wrapper in (('fp32', 'OptimWrapper'), ('bf16', 'dts.CpuAmpOptimWrapper')):
        options = dict(student=student, train_cfg=dict(max_iters=25))
        config = adaptation(tmp_path, tmp_path / name, **options)
        config.model.threshold = 0.0  # rounding must not decide how much of a batch counts
        config.optim_wrapper.type = wrapper
        config.default_hooks.logger.interval = 1
        config.default_hooks.checkpoint.interval = 1000
        assert in_child(train, config) == 0
        losses = read_logged(tmp_path / name).train
        first[name] = losses['loss'][1]
        source[name] = [losses['source.decode.loss_ce'][step] for step in range(16, 26)]
    assert source['bf16'] != source['fp32']
    assert first['bf16'] == pytest.approx(first['fp32'], rel=0.01)
    # Later the other terms depend on labels that an untrained teacher picks, and tell nothing.
    assert sum(source['bf16']) == pytest.approx(sum(source['fp32']), rel=0.02)


def method_with(student: Any, device: str = 'cpu', batch_statistics: bool = False) -> tuple:
    """A method with all switches, its teacher hook and a runner."""
    criterion = dict(type='dts.CrossEntropy', class_weight=[1.0, 2.0, 3.0])
    config = dict(type='dts.SelfTraining', student=student, criterion=criterion, threshold=0.4)
    method = MODELS.build(dict(config, **SWITCHES)).train().to(device)
    reference = copy.deepcopy(method.student.backbone).requires_grad_(False)
    reference.eval()  # no chain: backbones of MMSeg return None
    object.__setattr__(method, 'reference', reference)
    hook = EmaTeacherHook(decay=0.9, first_count=1, batch_statistics=batch_statistics)
    wrapper = OptimWrapper(torch.optim.SGD(method.parameters(), lr=0.1))
    hub = MessageHub.get_instance('self_training_runs')
    runner = SimpleNamespace(model=method, optim_wrapper=wrapper, message_hub=hub)
    hook.before_train(runner)
    return method, hook, runner


def batch_with_margins(seed: int = 0, size: tuple[int, int] = (16, 16)) -> dict:
    """Source and target images, the first rows of the target in the margin."""
    batch = uda_batch(seed, size=size)
    for sample in batch['data_samples']['target']:
        margins = torch.zeros(1, *size, dtype=torch.uint8)
        margins[:, :3] = 1
        sample.margin_map = PixelData(data=margins)
    return batch


def hrda(detail_size: tuple[int, int] = (32, 32)) -> ConfigDict:
    config = toy_segmentor_config()
    config.update(type='dts.HRDAEncoderDecoder', stride=1, detail_size=detail_size)
    return config


def seed_step(index: int) -> None:
    """Let a step draw what it drew before: windows by ``random``, the rest by torch."""
    random.seed(index)
    torch.manual_seed(index)


@pytest.mark.parametrize('network', ['toy', 'hrda'])
def test_four_accumulated_batches_are_one_step_of_student_and_teacher(network: str) -> None:
    student = hrda(detail_size=(8, 8)) if network == 'hrda' else toy_segmentor_config()
    method, hook, runner = method_with(student)
    wrapper = runner.optim_wrapper
    wrapper._accumulative_counts = 4
    wrapper.initialize_count_status(method, 0, 8)
    weights = dict(method.student.named_parameters())
    old = {name: weight.detach().clone() for name, weight in weights.items()}
    twin = copy.deepcopy(method)  # asks the same teacher
    object.__setattr__(twin, 'reference', method.reference)
    sums = [torch.zeros_like(weight) for weight in weights.values()]
    for index in range(4):
        data = twin.data_preprocessor(batch_with_margins(index), training=True)
        seed_step(index)
        loss, _ = twin.parse_losses(twin(**data, mode='loss'))
        gradients = torch.autograd.grad(loss, list(twin.student.parameters()))
        sums = [total + gradient / 4 for total, gradient in zip(sums, gradients, strict=True)]
    updates = []
    for index in range(8):
        seed_step(index)
        method.train_step(batch_with_margins(index), wrapper)
        hook.after_train_iter(runner, index)
        updates.append(hook.bank.updates)
        if index == 3:
            teacher = dict(hook.bank['teacher'].segmentor.named_parameters())
            for (name, weight), gradient in zip(weights.items(), sums, strict=True):
                expected = old[name] - 0.1 * gradient
                torch.testing.assert_close(weight, expected)
                torch.testing.assert_close(teacher[name], (old[name] + expected) / 2)
    assert updates == [0, 0, 0, 1, 1, 1, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize('batch_statistics', [False, True])
@pytest.mark.parametrize(
    'name', ['toy', 'hrda', pytest.param('segformer_mit-b0', marks=pytest.mark.slow)]
)
def test_trap_22_a_step_with_all_switches_runs_on_tensors_without_data(
    name: str, batch_statistics: bool
) -> None:
    random.seed(0)
    student = hrda() if name == 'hrda' else student_of(name)
    method, hook, runner = method_with(student, 'meta', batch_statistics)
    batch = batch_with_margins(size=(64, 64))
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(batch)
        logged = method.train_step(batch, runner.optim_wrapper)
        hook.move(runner)
    assert hook.bank.updates == 1
    expected = {'source.loss_distance', 'masked.decode.loss_ce', 'mix.decode.loss_ce'}
    assert expected <= set(logged)
    assert all(value.device.type == 'meta' for value in logged.values())
