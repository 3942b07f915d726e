"""Floors of distillation, label-assisted teachers and CPS follow their methods."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from torch import Tensor

from dts.label_assisted.teacher import FrozenLabelAssistedTeacher
from dts.methods.base import TeacherStudent
from dts.mixing.cutmix import HalfCutMix
from dts.mixing.plan import MixPlan
from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from dts.teachers.frozen import FrozenTeacher
from runs import small_segformer
from toys import toy_batch, toy_segmentor_config

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/analysis_tools'))

from step_benchmark.distillation_floor import (
    correlation_distance,
    kl_of_channels,
    kl_of_pixels,
)
from step_benchmark.floors import build_floor, prepare

CRITERION = dict(type='dts.CrossEntropy', class_weight=[1.0, 2.0, 3.0])
RESIZE = dict(type='dts.ResizeAdapter', resize='teacher')
CWD = dict(loss=dict(type='dts.ChannelWiseKD', temperature=2.0), adapter=RESIZE, weight=3.0)
KD = dict(loss=dict(type='dts.LogitKD', temperature=4.0), adapter=RESIZE, weight=0.5)
DIST = dict(
    loss=dict(type='dts.DIST', temperature=2.0, inter_weight=0.5, intra_weight=1.5),
    adapter=RESIZE,
)
SMALLER = dict(KD, adapter=dict(type='dts.ResizeAdapter', resize='student', align_corners=True))


def with_auxiliary_head(config: ConfigDict) -> ConfigDict:
    head = config.decode_head
    config.auxiliary_head = dict(head, loss_decode=dict(head.loss_decode, loss_weight=0.4))
    return config


def segformer() -> Any:
    config = small_segformer(drop=0.0)
    config.data_preprocessor = toy_segmentor_config().data_preprocessor
    config.data_preprocessor.mean = [100.0] * 3  # other than the student's
    return MODELS.build(config)


def without_teachers(*terms: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    student = with_auxiliary_head(toy_segmentor_config())
    return MODELS.build(
        dict(type='dts.Distillation', student=student, criterion=CRITERION, distill=list(terms))
    ).train()


def distillation(*terms: dict[str, Any], teachers: tuple[str, ...] = ('teacher',)) -> Any:
    method = without_teachers(*terms)
    bank = TeacherBank({n: FrozenTeacher(segformer(), method.student, {}) for n in teachers})
    for name in bank.names:
        bank[name].segmentor.decode_head.conv_seg.weight.mul_(100)  # starts near zero
    method.attach_teachers(bank)
    return method


def check_three_steps(method: TeacherStudent, batch: dict[str, Any]) -> None:
    """Compare losses while both learn, one image wholly ignored."""
    batch['data_samples']['labeled'][0].gt_sem_seg.data[:] = 255
    batch['data_samples']['labeled'][1].gt_sem_seg.data[0, :2] = 255  # half a cell of 4x4
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    values = []
    for _ in range(3):
        data = method.data_preprocessor(batch, True)
        loss = method.parse_losses(method.loss(**data))[0]
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert len(set(values)) == 3


@pytest.mark.parametrize('terms', [[CWD], [KD], [DIST], [SMALLER], [CWD, KD]])
def test_distillation_floor_follows_the_method_for_three_steps(terms: list[dict]) -> None:
    check_three_steps(distillation(*terms), toy_batch(3, 0, size=(32, 32)))


def test_distillation_floor_asks_every_named_teacher_once() -> None:
    terms = [dict(CWD, teacher_name='b'), KD, dict(KD, teacher_name='b', weight=0.2)]
    method = distillation(*terms, teachers=('a', 'b', 'c'))
    calls = []
    for name in 'abc':
        segmentor = method.teachers[name].segmentor
        segmentor.backbone.register_forward_hook(lambda *_, name=name: calls.append(name))
    check_three_steps(method, toy_batch(3, 0, size=(32, 32)))
    assert sorted(calls) == ['a'] * 6 + ['b'] * 6  # three steps each of method and floor


@pytest.mark.parametrize('codes', [{}, {'family': 'one_hot'}])
def test_distillation_floor_shows_a_label_assisted_teacher_its_images(codes: dict) -> None:
    oracle = ConfigDict(
        toy_segmentor_config(), codes=dict(type='dts.LabelCodes', scale=0.0, pixel_sigma=0.0)
    )
    oracle.type = 'dts.LabelAssistedEncoderDecoder'
    oracle.codes.update(codes)
    method = without_teachers(dict(CWD, adapter=None))
    segmentor = MODELS.build(oracle)
    segmentor.decode_head.conv_seg.weight.data.normal_()
    teacher = FrozenLabelAssistedTeacher(segmentor, method.student, {}, oracle.codes)
    method.attach_teachers(TeacherBank({'teacher': teacher}))
    check_three_steps(method, toy_batch(3, 0))


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        (dict(loss=dict(type='dts.BoundarySplitKD')), r'distill\[0\]\.loss is BoundarySplitKD'),
        (
            dict(loss=dict(type='dts.ChannelWiseKD', group_size=2)),
            'ChannelWiseKD with group_size=2',
        ),
        (dict(mask='all'), r'distill\[0\] is another'),
        (dict(weight=dict(type='linear', start=0.0, end=1.0, iters=9)), r'distill\[0\] is another'),
        (dict(student='auxiliary_head.conv_seg'), r'distill\[0\] is another'),
        (dict(adapter=dict(type='dts.ConvAdapter', in_channels=3, out_channels=3)), 'is another'),
    ],
)
def test_distillation_floor_refuses_what_it_does_not_know(change: dict, match: str) -> None:
    method = distillation(CWD | change)
    with pytest.raises(ValueError, match=match):
        build_floor(method, torch.optim.SGD(method.parameters(), lr=0.1))


@pytest.mark.parametrize('paths', ['sequential', 'batched'])
@pytest.mark.parametrize('consistency', ['dts.ChannelWiseKD', 'dts.LogitKD', 'dts.DIST'])
def test_label_assisted_floor_follows_the_method_for_three_steps(
    paths: str, consistency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = with_auxiliary_head(toy_segmentor_config(dropout=0.5))  # paths differ by dropout
    student.type = 'dts.LabelAssistedEncoderDecoder'
    student.codes = dict(type='dts.LabelCodes', scale=0.0, pixel_sigma=0.0)
    method = MODELS.build(
        dict(
            type='dts.LabelAssistedTeacher',
            student=student,
            criterion=CRITERION,
            paths=paths,
            consistency=dict(type=consistency, temperature=2.0),
            consistency_weight=0.7,
        )
    ).train()
    method.student.decode_head.conv_seg.weight.data.normal_()
    monkeypatch.setattr(  # a code is no part of a floor
        LabelAssistedEncoderDecoder, 'with_code', lambda self, images, _: self.with_zeros(images)
    )
    batch = toy_batch(3, 0)
    batch['data_samples']['labeled'][0].gt_sem_seg.data[:] = 255
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)
    floor = build_floor(method, optimizer)
    ready = prepare(method, batch)
    for seed in range(3):
        data = method.data_preprocessor(batch, True)
        torch.manual_seed(seed)
        losses = method.loss(**data)
        assert losses['loss_consistency'] > 1e-3
        loss = method.parse_losses(losses)[0]
        torch.manual_seed(seed)
        torch.testing.assert_close(floor(ready), loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize('mix', [None, dict(type='dts.HalfCutMix')])
def test_floor_of_cps_follows_the_method_for_three_steps(
    mix: dict | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(self: HalfCutMix, labels: Tensor, num_classes: int) -> MixPlan:
        return MixPlan(torch.zeros_like(labels, dtype=torch.bool), torch.arange(len(labels)))

    monkeypatch.setattr(HalfCutMix, '__call__', nothing)  # unlabelled images stand for mixed ones
    method: Any = MODELS.build(
        dict(
            type='dts.CrossPseudoSupervision',
            student=with_auxiliary_head(toy_segmentor_config()),
            criterion=CRITERION,
            cross_weight=0.7,
            mix=mix,
        )
    ).train()
    for student in method.students.values():
        student.decode_head.conv_seg.weight.data.normal_()
    check_three_steps(method, toy_batch(3, 2))


def test_divergence_of_pixels_by_hand() -> None:
    # softmax of (0, log 3) is (1/4, 3/4), of (0, 0) it is (1/2, 1/2); T = 2 halves the scores.
    teacher = torch.tensor([0.0, 2 * math.log(3)]).view(1, 2, 1, 1).repeat(1, 1, 1, 2)
    student = torch.zeros(1, 2, 1, 2)
    valid = torch.tensor([[[True, False]]])
    expected = 4 * (0.25 * math.log(0.5) + 0.75 * math.log(1.5))
    assert float(kl_of_pixels(student, teacher, valid, 2.0)) == pytest.approx(expected)
    assert kl_of_pixels(student, teacher, torch.zeros_like(valid), 2.0) == 0


def test_divergence_of_channels_by_hand() -> None:
    # Two valid positions as above, a third one ignored; the second channel is constant.
    teacher = torch.tensor([[0.0, 2 * math.log(3), 50.0], [1.0, 1.0, -9.0]]).view(1, 2, 1, 3)
    teacher = torch.cat([teacher, teacher + 1])
    student = torch.zeros(2, 2, 1, 3)
    valid = torch.tensor([[[True, True, False]], [[False, False, False]]])
    expected = 4 * (0.25 * math.log(0.5) + 0.75 * math.log(1.5)) / 2  # one image, two channels
    assert float(kl_of_channels(student, teacher, valid, 2.0)) == pytest.approx(expected)
    assert kl_of_channels(student, teacher, torch.zeros_like(valid), 2.0) == 0


def test_correlation_distance_by_hand() -> None:
    # Over classes: pixels that prefer the same of two classes correlate by 1, others by -1. Over
    # pixels: of class 0 the deviations are (-1, 2, -1) / 6 and (-1, -1, 2) / 6, with correlation
    # (1 - 2 - 2) / 6 = -1 / 2; class 1 mirrors it; the last pixel is ignored.
    student, teacher = (
        2 * torch.tensor([of_class, [1 - p for p in of_class]]).log().view(1, 2, 1, 4)
        for of_class in ([0.25, 0.75, 0.25, 0.5], [0.25, 0.25, 0.75, 0.9])
    )
    valid = torch.tensor([[[True, True, True, False]]])
    inter, intra = (0 + 2 + 2) / 3, 1.5
    found = correlation_distance(student, teacher, valid, 2.0, 0.5, 1.5)
    assert float(found) == pytest.approx(4 * (0.5 * inter + 1.5 * intra), rel=1e-4)
    nothing = correlation_distance(student, teacher, torch.zeros_like(valid), 2.0, 0.5, 1.5)
    assert nothing == 0
