"""``benchmark_step.py``: the floor does the algorithm's work, numbers follow from the times."""

from __future__ import annotations

import copy
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from dts.methods import self_training
from dts.methods.base import TeacherStudent
from dts.methods.dual_teacher import DualTeacher
from dts.methods.dual_teacher_student import DualTeacherStudent
from dts.methods.faithful_dual_teacher import FaithfulDualTeacher
from dts.methods.mean_teacher import MeanTeacher
from dts.methods.self_training import SelfTraining
from dts.methods.supervised import Supervised
from dts.methods.unimatch import UniMatch
from dts.mixing.classmix import ClassMix
from dts.mixing.plan import MixPlan
from dts.registry import HOOKS
from dts.teachers.bank import TeacherBank
from dts.teachers.teacher import Teacher
from dts.teachers.train_mode import BatchStatisticsTeacher, TrainModeTeacher
from runs import in_child, make_images, run_config
from toys import batch_of_two_views, toy_batch, toy_segmentor_config, uda_batch

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/analysis_tools'))

import benchmark_step
from step_benchmark.clock import Cost, measure, measure_peak_memory
from step_benchmark.floors import build_floor, copy_optimizer, prepare
from step_benchmark.report import format_report, summarize_pairs

BURNT = 0.5  # seconds per step, far above the noise of a toy step on a busy machine


@HOOKS.register_module(force=True)
class BurnHook(Hook):
    """Keep the processor busy for ``BURNT`` seconds after each step."""

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        end = time.process_time() + BURNT
        while time.process_time() < end:
            pass


CRITERION = {'type': 'dts.CrossEntropy', 'class_weight': [1.0, 2.0, 3.0]}


def sgd(method: TeacherStudent) -> torch.optim.SGD:
    """An optimizer with a rate of its own for the head."""
    student = method.student
    groups = [
        {'params': list(student.backbone.parameters()), 'lr': 0.1},
        {'params': list(student.decode_head.parameters()), 'lr': 0.4},
    ]
    return torch.optim.SGD(groups, momentum=0.9)


def with_auxiliary_head(student: ConfigDict) -> ConfigDict:
    """The same segmentor with an auxiliary head of weight 0.4."""
    head = copy.deepcopy(student.decode_head)
    head.loss_decode.loss_weight = 0.4
    return ConfigDict({**student, 'auxiliary_head': head})


def test_pairs_by_hand() -> None:
    pairs = [
        (Cost(2.0, 0), Cost(1.0, 0)),
        (Cost(3.0, 0), Cost(2.0, 0)),
        (Cost(10.0, 0), Cost(2.0, 0)),
    ]
    summary = summarize_pairs(pairs, 'cpu')
    assert summary['a'] == [2.5, 3.0, 6.5]
    assert summary['b'] == [1.5, 2.0, 2.0]
    assert summary['ratio'] == 3 / 2
    assert summary['pair_ratio'] == [1.75, 2.0, 3.5]  # of 1.5, 2, 5
    assert summary['mean_ratio'] == 15 / 5


def test_equal_groups_of_an_optimizer_become_one() -> None:
    source = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    target = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    rates = {'0.weight': 0.1, '0.bias': 0.2, '1.weight': 0.1, '1.bias': 0.1}
    parameters = dict(source.named_parameters())
    groups = [{'params': [parameters[name]], 'lr': rate} for name, rate in rates.items()]
    copied = copy_optimizer(torch.optim.AdamW(groups, weight_decay=0.3), source, target)
    assert isinstance(copied, torch.optim.AdamW)
    assert [(group['lr'], group['weight_decay']) for group in copied.param_groups] == [
        (0.1, 0.3),
        (0.2, 0.3),
    ]
    (weights, biases) = (group['params'] for group in copied.param_groups)
    assert [id(p) for p in weights] == [
        id(target[0].weight),
        id(target[1].weight),
        id(target[1].bias),
    ]
    assert [id(p) for p in biases] == [id(target[0].bias)]


def test_supervised_floor_follows_the_method_for_three_steps() -> None:
    method = Supervised(toy_segmentor_config(), CRITERION).train()
    optimizer = sgd(method)
    batch = toy_batch()
    batch['data_samples']['labeled'][0].gt_sem_seg.data[0, :3] = 255
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    for _ in range(3):
        data = method.data_preprocessor(batch, True)
        loss = method.parse_losses(method.loss(**data))[0]
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


NO_MIX: dict[str, Any] = {'mix': [None], 'weighting': ['image_fraction']}
DUAL_TEACHERS = {
    'corrected': (DualTeacher, {**NO_MIX, 'consistency_weight': 0.3}, Teacher),
    'without consistency': (DualTeacher, {**NO_MIX, 'consistency_weight': 0.0}, Teacher),
    'faithful': (FaithfulDualTeacher, {}, TrainModeTeacher),
}


@pytest.mark.parametrize('case', DUAL_TEACHERS)
def test_dual_teacher_floor_follows_the_method_for_three_steps(case: str) -> None:
    method_type, options, teacher_type = DUAL_TEACHERS[case]
    student = with_auxiliary_head(toy_segmentor_config())
    method = method_type(student, CRITERION, threshold=0.36, **options).train()
    optimizer = sgd(method)
    bank = TeacherBank.from_student(method.student, ['teacher.0'], teacher_type)
    method.attach_teachers(bank)
    teacher = bank['teacher.0'].segmentor
    batch = toy_batch()
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    if case == 'faithful':  # strong views stand for mixed ones
        shown = ready.images['unlabeled_strong']
        method._cut_and_recolor = lambda weak, labels: (shown, labels)
    for _ in range(3):
        data = method.data_preprocessor(batch, True)
        losses = method.loss(**data)
        assert 0.1 < losses['stat_accepted_ratio'] < 0.9
        assert ('consistency.loss_ce' in losses) == (case != 'without consistency')
        loss = method.parse_losses(losses)[0]
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), method.student.parameters(), strict=True):
                old.lerp_(new, 0.01)


# (gradient, images) of every forward of the backbone, with 2 labelled and 2 unlabelled images
FORWARDS = {
    DualTeacher: [(False, 2), (True, 2), (True, 4)],
    FaithfulDualTeacher: [(False, 2), (False, 2), (True, 2), (True, 4)],
    UniMatch: [(True, 4), (True, 4)],
}


@pytest.mark.parametrize('method_type', FORWARDS)
def test_floor_and_method_ask_networks_equally_often(method_type: type[TeacherStudent]) -> None:
    method = method_type(with_auxiliary_head(toy_segmentor_config()), CRITERION).train()
    asked: list[tuple[str, bool, int]] = []
    for name in ('backbone', 'auxiliary_head'):  # copies of a network keep its hooks
        getattr(method.student, name).register_forward_hook(
            lambda _, args, out, name=name: asked.append(
                (name, torch.is_grad_enabled(), len(args[0][0] if name != 'backbone' else args[0]))
            )
        )
    teacher_type = TrainModeTeacher if method_type is FaithfulDualTeacher else Teacher
    bank = TeacherBank.from_student(method.student, ['teacher.0', 'teacher.1'], teacher_type)
    method.attach_teachers(bank)
    batch = batch_of_two_views(2)
    floor = build_floor(method, sgd(method))
    ready = prepare(method, batch)
    for step in (
        lambda: floor(ready),
        lambda: method.loss(**method.data_preprocessor(batch, True)),
    ):
        asked.clear()
        step()
        forwards = sorted(call[1:] for call in asked if call[0] == 'backbone')
        assert forwards == FORWARDS[method_type]
        # one forward of images with labels in it: no other needs the auxiliary head
        assert [call[1] for call in asked if call[0] == 'auxiliary_head'] == [True]


def test_a_skipped_stage_is_cheaper_in_the_floor_too(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {'mix': [None], 'weighting': ['image_fraction'], 'sub_network': 'stage_skip'}
    method = DualTeacher(toy_segmentor_config(), **options).train()
    drawn = []

    @contextmanager
    def draw(student: nn.Module) -> Iterator[None]:
        drawn.append(student)
        yield

    monkeypatch.setattr(method.sub_network, 'drawn', draw)
    floor = build_floor(method, sgd(method))
    floor(prepare(method, toy_batch()))
    method.sub_network.kind = 'block_skip'
    build_floor(method, sgd(method))(prepare(method, toy_batch()))
    assert len(drawn) == 1
    assert drawn[0] is not method.student


def test_unimatch_floor_follows_the_method_for_three_steps() -> None:
    method = UniMatch(
        with_auxiliary_head(toy_segmentor_config()),
        CRITERION,
        threshold=0.36,
        mix={'type': 'dts.CutMix', 'probability': 0.0},
        unlabeled_criterion={'type': 'dts.CrossEntropy', 'class_weight': [3.0, 1.0, 2.0]},
    ).train()
    optimizer = sgd(method)
    batch = batch_of_two_views(2)
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    for seed in range(3):
        data = method.data_preprocessor(batch, True)
        torch.manual_seed(seed)
        loss = method.parse_losses(method.loss(**data))[0]
        torch.manual_seed(seed)
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_mean_teacher_floor_follows_the_method_for_three_steps() -> None:
    method = MeanTeacher(
        toy_segmentor_config(), CRITERION, threshold=0.36, unlabeled_weight=2.0
    ).train()
    optimizer = sgd(method)
    bank = TeacherBank.from_student(method.student, ['teacher'])
    method.attach_teachers(bank)
    batch = toy_batch()
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    for _ in range(3):
        data = method.data_preprocessor(batch, True)
        losses = method.loss(**data)
        assert 0.1 < losses['stat_accepted_ratio'] < 0.9
        loss = method.parse_losses(losses)[0]
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        weights = zip(
            bank['teacher'].segmentor.parameters(), method.student.parameters(), strict=True
        )
        for weight_teacher, weight_student in weights:
            weight_teacher.mul_(0.99).add_(weight_student.detach(), alpha=0.01)


NO_COLOR = {'jitter_probability': 0.0, 'blur_probability': 0.0}
SWITCHES: dict[str, dict[str, Any]] = {
    'dacs': {},
    'distance': {'feature_distance': {'classes': [0, 1, 2], 'weight': 0.7, 'min_share': 0.0}},
    'masking': {'masking': {'block_size': 4, 'ratio': 0.0, 'weight': 0.6, 'color': False}},
    'color': {'color': {'type': 'dts.ColorAugmentation', **NO_COLOR}},
    'one_forward': {'one_forward': True},
}
SWITCHES['all'] = {key: value for switch in SWITCHES.values() for key, value in switch.items()}


@pytest.mark.parametrize('resolutions', [1, 2])
@pytest.mark.parametrize('teacher_type', [Teacher, BatchStatisticsTeacher])
@pytest.mark.parametrize('switches', SWITCHES)
def test_self_training_floor_follows_the_method_for_three_steps(
    switches: str,
    teacher_type: type[Teacher],
    resolutions: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(labels: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.zeros_like(labels, dtype=torch.bool)

    monkeypatch.setattr(self_training, 'draw_classes', nothing)  # the target stands for the mix
    student = toy_segmentor_config()
    if resolutions == 2:
        student = ConfigDict(
            {**student, 'type': 'dts.HRDAEncoderDecoder', 'stride': 1, 'detail_size': (8, 8)}
        )
    method = SelfTraining(student, CRITERION, threshold=0.36, **SWITCHES[switches]).train()
    if method.feature_distance is not None:
        reference = copy.deepcopy(method.student.backbone).eval().requires_grad_(False)
        reference.conv.weight.add_(0.1)
        object.__setattr__(method, 'reference', reference)
    optimizer = sgd(method)
    bank = TeacherBank.from_student(method.student, ['teacher'], teacher_type)
    method.attach_teachers(bank)
    batch = uda_batch()
    batch['data_samples']['source'][0].gt_sem_seg.data[0, :3] = 255
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    for seed in range(3):
        data = method.data_preprocessor(batch, True)
        random.seed(seed)
        losses = method.loss(**data)
        assert 0.1 < losses['stat_accepted_ratio'] < 0.9
        loss = method.parse_losses(losses)[0]
        random.seed(seed)
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        weights = zip(
            bank['teacher'].segmentor.parameters(), method.student.parameters(), strict=True
        )
        for weight_teacher, weight_student in weights:
            weight_teacher.mul_(0.99).add_(weight_student.detach(), alpha=0.01)


@pytest.mark.parametrize('shares', [(25, 50), (25, 75)])
@pytest.mark.parametrize('exchange', ['cross', 'self', 'one_way_1to2', 'one_way_2to1'])
def test_floor_of_two_groups_follows_the_method_for_three_steps(
    exchange: str, shares: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(labels: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.zeros_like(labels, dtype=torch.bool)

    def no_mix(self: ClassMix, labels: torch.Tensor, num_classes: int) -> MixPlan:
        return MixPlan(nothing(labels), torch.arange(len(labels)))

    monkeypatch.setattr(self_training, 'draw_classes', nothing)  # the target stands for the mix
    monkeypatch.setattr(ClassMix, '__call__', no_mix)
    host = dict(type='dts.SelfTraining', student=toy_segmentor_config(), criterion=CRITERION)
    method = DualTeacherStudent(
        {**host, 'threshold': 0.36}, exchange=exchange, compositions=shares
    ).train()
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)
    banks = []
    for name, student in method.students.items():
        bank = TeacherBank.from_student(student, [name.replace('student', 'teacher')])
        method.attach_teachers(bank, name)
        banks.append(bank)
    batch = uda_batch()
    batch['data_samples']['source'][0].gt_sem_seg.data[0, :3] = 255
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    for _ in range(3):
        data = method.data_preprocessor(batch, True)
        losses = method.loss(**data)
        assert 0.1 < losses['group_1.stat_accepted_ratio'] < 0.9
        loss = method.parse_losses(losses)[0]
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for bank, student in zip(banks, method.students.values(), strict=True):
            for teacher, weight in zip(
                bank[bank.active].segmentor.parameters(), student.parameters(), strict=True
            ):
                teacher.mul_(0.99).add_(weight.detach(), alpha=0.01)


@pytest.mark.parametrize(
    'change', [{'exchange': 'both'}, {'masking': {'block_size': 4}}, {'one_forward': True}]
)
def test_floor_of_two_groups_refuses_what_it_does_not_know(change: dict[str, Any]) -> None:
    host = dict(type='dts.SelfTraining', student=toy_segmentor_config())
    exchange = change.pop('exchange', 'cross')
    method = DualTeacherStudent({**host, **change}, exchange=exchange)
    with pytest.raises(ValueError, match='the floor of DualTeacherStudent knows'):
        build_floor(method, torch.optim.SGD(method.parameters(), lr=0.1))


def test_unknown_method_is_told_how_to_add_a_floor() -> None:
    class Other(Supervised):
        """Has no floor."""

    method = Other(toy_segmentor_config())
    with pytest.raises(ValueError, match=r'no floor for the method Other.*FLOORS'):
        build_floor(method, sgd(method))


@pytest.mark.slow
def test_time_and_memory_of_a_known_load() -> None:
    device = torch.device('cpu')
    cost = measure(lambda: [i * i for i in range(200_000)], device)
    assert 0 < cost.cpu <= cost.wall * 1.5
    measure_peak_memory(lambda: bytearray(b'x') * (256 * 2**20), device)  # leaves a higher mark
    peak = measure_peak_memory(lambda: bytearray(b'x') * (64 * 2**20), device)
    if peak is None:
        pytest.skip('the system does not tell the peak of the resident set')
    assert 60 < peak < 80


@pytest.mark.slow
def test_whole_benchmark_of_a_toy_run(tmp_path: Path) -> None:
    make_images(tmp_path)
    config = tmp_path / 'config.py'
    toy = run_config(tmp_path, tmp_path / 'work')
    toy.default_hooks.checkpoint.interval = 1000
    toy.custom_hooks.append(dict(type='dts.BurnHook'))
    toy.dump(str(config))
    file = tmp_path / 'result.json'
    command = [str(config), '--steps', '4', '--warmup', '1', '--json', str(file)]
    command += ['--cfg-options', 'model.mix=None']
    assert in_child(benchmark_step.main, command) == 0
    result = json.loads(file.read_text())
    assert (result['method'], result['steps'], result['images_per_step']) == ('MeanTeacher', 4, 4)
    for kind in ('cpu', 'wall'):
        a, b = result[kind]['a'][1], result[kind]['b'][1]
        assert result[kind]['ratio'] == pytest.approx(a / b)
        assert 0 < b < BURNT < a  # hooks are paid in (a) alone
    assert 0 < result['waiting_share'] < 1
    assert result['loader']['images_per_cpu_second'] > 0
    assert result['ema']['share'] > 0
    assert not (tmp_path / 'work').exists()
    assert f'a/b {result["cpu"]["ratio"]:.3f}' in format_report(result)


@pytest.mark.slow
def test_config_that_the_floor_cannot_follow_is_refused(tmp_path: Path) -> None:
    make_images(tmp_path)
    config = run_config(tmp_path, tmp_path / 'work')
    config.optim_wrapper.accumulative_counts = 2
    assert in_child(_expect_error, config, 'accumulative_counts=1') == 0


def _expect_error(config: object, message: str) -> None:
    """Measure, and expect a ValueError."""
    with pytest.raises(ValueError, match=message):
        benchmark_step.benchmark(config, 2, 0)
