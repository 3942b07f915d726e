"""Dual Teacher with an assistant: the added term, who is asked for what, and the order of hooks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.label_assisted.teacher import FrozenLabelAssistedTeacher
from dts.methods.assisted_dual_teacher import AssistedDualTeacher
from dts.methods.dual_teacher import DualTeacher
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from dts.teachers.ema import EmaMotion
from toys import strip_data, toy_batch, toy_segmentor_config

ORIGIN = {'checkpoint': 'teacher.pth', 'sha256': '0'}
CODES = dict(type='dts.LabelCodes', family='fixed_ramp')
SETTINGS = dict(threshold=0.4, consistency_weight=0.3)


def assistant_of(student: Any) -> FrozenLabelAssistedTeacher:
    """A teacher of random weights that sees the code of the labels in a fourth channel."""
    config = toy_segmentor_config()
    config.type = 'dts.LabelAssistedEncoderDecoder'
    config.codes = CODES
    torch.manual_seed(3)
    segmentor = MODELS.build(config)
    segmentor.init_weights()
    torch.nn.init.normal_(segmentor.decode_head.conv_seg.weight)
    return FrozenLabelAssistedTeacher(segmentor, student, ORIGIN, CODES)


def build(kind: str, first: str = 'moving', has_assistant: bool = True, **kwargs: Any) -> Any:
    """A method with two temporary teachers of their own weights, and with an assistant."""
    torch.manual_seed(0)
    student = toy_segmentor_config()
    method: Any = MODELS.build(dict(type=kind, student=student, **SETTINGS, **kwargs)).train()
    moving = TeacherBank.from_student(method.student, ['teacher.0', 'teacher.1'])
    torch.manual_seed(1)
    for name in moving.names:
        torch.nn.init.normal_(moving[name].segmentor.decode_head.conv_seg.weight)
    moving.active = 'teacher.1'
    banks = [moving]
    if kind == 'dts.AssistedDualTeacher' and has_assistant:
        banks.append(TeacherBank({'teacher': assistant_of(method.student)}))
    for bank in banks if first == 'moving' else banks[::-1]:
        method.attach_teachers(bank)
    return method


def losses_of(method: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The images of a step, and its losses."""
    data = method.data_preprocessor(toy_batch(), training=True)
    torch.manual_seed(5)
    return data, method(**data, mode='loss')


@pytest.mark.parametrize('first', ['moving', 'frozen'])
def test_step_is_that_of_dual_teacher_and_the_assistants_term(first: str) -> None:
    method = build('dts.AssistedDualTeacher', first, assist_weight=2.0)
    seen: list[Tensor] = []
    method.student.decode_head.register_forward_hook(lambda *call: seen.append(call[2]))
    data, losses = losses_of(method)
    _, expected = losses_of(build('dts.DualTeacher'))
    added = losses.pop('assist.loss_kd')
    assert losses.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(losses[key], value, rtol=0, atol=0)

    images = data['inputs']['labeled']
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']]).long()
    teacher: Any = method.teachers['teacher'].segmentor
    scores = teacher.decode_head(teacher.backbone(teacher.with_code(images, labels)))
    rest = {'type': 'dts.ChannelWiseKD', 'temperature': 4.0}
    term = MODELS.build(rest)(seen[0][: len(images)], scores, labels != 255)
    assert term > 0
    torch.testing.assert_close(added, 2.0 * term)


def test_the_loss_of_the_assistant_may_ask_for_labels() -> None:
    method = build('dts.AssistedDualTeacher', assist=dict(type='dts.IFVD', num_classes=3))
    assert losses_of(method)[1]['assist.loss_kd'] > 0
    with pytest.raises(ValueError, match=r'assist has num_classes=19, the student 3: set'):
        build('dts.AssistedDualTeacher', assist=dict(type='dts.IFVD', num_classes=19))


def test_temporary_teachers_stay_on_duty() -> None:
    method = build('dts.AssistedDualTeacher', 'frozen')
    assert method.teachers.active == 'teacher.1'
    assert method.teachers.names == ['teacher.0', 'teacher.1', 'teacher']
    assert method.turn == 1
    state = method.teachers.state_dict()
    assert list(state['teachers']) == ['teacher.0', 'teacher.1']
    assert state['frozen'] == {'teacher': ORIGIN}


def test_only_the_student_learns_from_the_assistant() -> None:
    method = build('dts.AssistedDualTeacher')
    losses_of(method)[1]['assist.loss_kd'].backward()
    assert method.student.decode_head.conv_seg.weight.grad.abs().sum() > 0
    teacher = method.teachers['teacher'].segmentor
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_without_weight_nobody_is_asked() -> None:
    method = build('dts.AssistedDualTeacher', assist_weight=0.0)
    method.teachers['teacher'].segmentor.backbone = None
    assert 'assist.loss_kd' not in losses_of(method)[1]


@pytest.mark.parametrize('hooks', ['with an assistant', 'alone'])
def test_weight_0_is_dual_teacher_bitwise(hooks: str) -> None:
    """Three steps with EMA; the assistant may be there or not."""
    states = []
    for kind in ('dts.DualTeacher', 'dts.AssistedDualTeacher'):
        weight = {'assist_weight': 0.0} if kind == 'dts.AssistedDualTeacher' else {}
        method = build(kind, has_assistant=hooks != 'alone', **weight)
        bank = method.teachers
        motion = EmaMotion(bank[bank.active], method.student, decay=0.9)
        wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.01))
        torch.manual_seed(6)
        for update in range(3):
            method.train_step(toy_batch(), wrapper)
            motion.update(update)
        teacher = bank[bank.active].segmentor.state_dict()
        states.append((method.student.state_dict(), teacher))
    for expected, actual in zip(*states, strict=True):
        assert all(torch.equal(actual[name], tensor) for name, tensor in expected.items())


def test_step_under_bfloat16_autocast_is_finite() -> None:
    method = build('dts.AssistedDualTeacher')
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = losses_of(method)[1]
    assert losses['assist.loss_kd'].dtype == torch.float32
    method.parse_losses(losses)[0].backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)
    expected = losses_of(build('dts.AssistedDualTeacher'))[1]['assist.loss_kd']
    torch.testing.assert_close(losses['assist.loss_kd'], expected, rtol=0.1, atol=0)


def test_step_runs_on_tensors_without_data() -> None:
    method = build('dts.AssistedDualTeacher').to('meta')
    bank = method.teachers
    for name in bank.names:
        bank[name].to('meta')
    motion = EmaMotion(bank[bank.active], method.student, decay=0.9)
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    batch = toy_batch()
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(batch)
        logged = method.train_step(batch, wrapper)
        motion.update(0)
    assert 'assist.loss_kd' in logged
    assert all(value.device.type == 'meta' for value in logged.values())


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match='assist_weight must be a number >= 0, got -1'):
        AssistedDualTeacher(toy_segmentor_config(), assist_weight=-1)
    method: Any = MODELS.build(
        dict(type='dts.AssistedDualTeacher', student=toy_segmentor_config(), **SETTINGS)
    )
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher.0']))
    with pytest.raises(RuntimeError, match=r'needs one trained teacher, got \[\]: add'):
        losses_of(method)
    method = build('dts.AssistedDualTeacher')
    with pytest.raises(ValueError, match="two hooks make a teacher named 'teacher'"):
        method.attach_teachers(TeacherBank({'teacher': assistant_of(method.student)}))
    with pytest.raises(ValueError, match=r"two hooks own teachers .* and \['teacher.2'\]: leave"):
        method.attach_teachers(TeacherBank.from_student(method.student, ['teacher.2']))
    assert isinstance(method, DualTeacher)


def test_it_is_refused_as_a_host_that_would_forget_the_assistant() -> None:
    method = build('dts.AssistedDualTeacher')
    with pytest.raises(NotImplementedError, match=r'is no host of dts\.DualTeacherStudent'):
        method.learn(method.student, [])
