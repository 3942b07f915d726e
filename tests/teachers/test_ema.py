"""EMA against closed forms, with BatchNorm buffers in the student."""

import copy

import pytest
import torch
from torch import nn

from dts.teachers.ema import EmaMotion
from dts.teachers.teacher import Teacher


def make_student() -> nn.Module:
    student = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).double()
    student.decode_head = nn.Identity()
    return student


def randomize(module: nn.Module) -> None:
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
            else:
                tensor.add_(3)


def test_first_update_copies_the_student_bitwise():
    student = make_student()
    teacher = Teacher(student)
    randomize(student)
    EmaMotion(teacher, student, decay=0.99).update(teacher.updates)
    for name, tensor in student.state_dict().items():
        assert torch.equal(teacher.segmentor.state_dict()[name], tensor), name


def test_the_mean_is_plain_up_to_99_updates_and_moves_by_the_decay_after_it():
    student = make_student()
    teacher = Teacher(student)
    motion = EmaMotion(teacher, student, decay=0.99)
    seen = []
    for n in range(103):
        randomize(student)
        seen.append(student[0].weight.detach().clone())
        motion.update(teacher.updates)
        if n in (49, 99):  # at the hundredth student 1 - 1/100 is the decay
            torch.testing.assert_close(
                teacher.segmentor[0].weight, torch.stack(seen).mean(0), rtol=0, atol=1e-12
            )
    expected = 0.99**3 * torch.stack(seen[:100]).mean(0)
    expected = expected + 0.01 * (0.99**2 * seen[100] + 0.99 * seen[101] + seen[102])
    torch.testing.assert_close(teacher.segmentor[0].weight, expected, rtol=0, atol=1e-12)


def test_constant_student_is_approached_geometrically():
    student = make_student()
    teacher = Teacher(student)
    randomize(teacher.segmentor)
    start = teacher.segmentor[0].weight.clone()
    teacher.updates = 1000  # past the ramp
    motion = EmaMotion(teacher, student, decay=0.9)
    for _ in range(7):
        motion.update(teacher.updates)
    expected = student[0].weight + 0.9**7 * (start - student[0].weight)
    torch.testing.assert_close(teacher.segmentor[0].weight, expected.detach(), rtol=0, atol=1e-12)


def test_decay_1_past_any_ramp_and_decay_0_are_the_extremes():
    student = make_student()
    teacher = Teacher(student)
    before = teacher.segmentor[0].weight.clone()
    randomize(student)
    teacher.updates = 10**9
    EmaMotion(teacher, student, decay=1.0).update(teacher.updates)
    torch.testing.assert_close(teacher.segmentor[0].weight, before, rtol=0, atol=1e-8)
    EmaMotion(teacher, student, decay=0.0).update(teacher.updates)
    assert torch.equal(teacher.segmentor[0].weight, student[0].weight)


@pytest.mark.parametrize('policy', ['copy', 'average'])
def test_float_buffers_follow_the_policy_and_integers_are_copied(policy):
    student = make_student()
    teacher = Teacher(student)
    old = teacher.segmentor[1].running_mean.clone()
    randomize(student)
    teacher.updates = 1000
    EmaMotion(teacher, student, decay=0.75, buffers=policy).update(teacher.updates)
    new = student[1].running_mean
    expected = new if policy == 'copy' else 0.75 * old + 0.25 * new
    torch.testing.assert_close(teacher.segmentor[1].running_mean, expected, rtol=0, atol=1e-12)
    assert teacher.segmentor[1].num_batches_tracked == student[1].num_batches_tracked == 3


def test_update_is_in_place_and_leaves_the_student_alone():
    student = make_student()
    teacher = Teacher(student)
    addresses = [p.data_ptr() for p in teacher.segmentor.parameters()]
    randomize(student)
    before = copy.deepcopy(student.state_dict())
    motion = EmaMotion(teacher, student, decay=0.5)
    motion.update(teacher.updates)
    motion.update(teacher.updates)
    assert addresses == [p.data_ptr() for p in teacher.segmentor.parameters()]
    assert all(torch.equal(before[name], value) for name, value in student.state_dict().items())


def test_errors_name_the_value():
    student = make_student()
    with pytest.raises(ValueError, match=r'\[0, 1\], got 1.5'):
        EmaMotion(Teacher(student), student, decay=1.5)
    with pytest.raises(ValueError, match="got 'keep'"):
        EmaMotion(Teacher(student), student, decay=0.5, buffers='keep')
    with pytest.raises(ValueError, match='differ in their tensors'):
        EmaMotion(Teacher(student), nn.Conv2d(3, 4, 1), decay=0.5)
