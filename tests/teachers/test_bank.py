"""Teachers lock themselves, and the bank hands out what a softmax by hand gives."""

import copy

import pytest
import torch

from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from dts.teachers.teacher import Teacher
from toys import toy_segmentor_config


@pytest.fixture
def student():
    return MODELS.build(toy_segmentor_config(dropout=0.5)).train()


def test_teacher_stays_in_eval_and_out_of_autograd(student):
    teacher = Teacher(student)
    teacher.train()
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())
    assert student.training


def test_probabilities_are_the_softmax_of_the_eval_forward(student):
    bank = TeacherBank.from_student(student, ['teacher'])
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    probs = bank.probabilities(images)
    student.eval()
    scores = student.decode_head(student.extract_feat(images))  # same size: no resize
    expected = scores.exp() / scores.exp().sum(1, keepdim=True)
    torch.testing.assert_close(probs, expected.detach())
    assert not probs.requires_grad


def test_probabilities_are_float32_under_autocast(student):
    bank = TeacherBank.from_student(student, ['teacher'])
    with torch.autocast('cpu', torch.bfloat16):
        probs = bank.probabilities(torch.rand(2, 3, 8, 8))
    assert probs.dtype == torch.float32
    torch.testing.assert_close(probs.sum(1), torch.ones(2, 8, 8))


def test_state_round_trip_is_exact_and_plain(student):
    bank = TeacherBank.from_student(student, ['teacher.0', 'teacher.1'])
    bank.active = 'teacher.1'
    bank['teacher.1'].updates = 7
    with torch.no_grad():
        bank['teacher.1'].segmentor.backbone.conv.weight.add_(1)
    again = TeacherBank.from_state(student, copy.deepcopy(bank.state_dict()))
    assert again.active == 'teacher.1'
    assert again.updates == 7
    for name in bank.names:
        expected = bank[name].segmentor.state_dict()
        actual = again[name].segmentor.state_dict()
        assert all(torch.equal(actual[key], expected[key]) for key in expected)


def test_a_copied_method_asks_the_same_teachers(student):
    bank = TeacherBank.from_student(student, ['teacher'])
    assert copy.deepcopy(bank) is bank


def test_errors_name_what_there_is(student):
    bank = TeacherBank.from_student(student, ['teacher'])
    with pytest.raises(KeyError, match=r"teacher\.1.*\['teacher'\]"):
        bank.probabilities(torch.rand(1, 3, 4, 4), name='teacher.1')
    two = TeacherBank.from_student(student, ['teacher.0', 'teacher.1']).state_dict()
    with pytest.raises(ValueError, match='resume with the config'):
        bank.load_state_dict(two)
    with pytest.raises(ValueError, match='at least one'):
        TeacherBank({})
