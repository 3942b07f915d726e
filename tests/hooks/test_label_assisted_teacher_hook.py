"""The second stage of LAD: a frozen teacher with its own input, beside a plain student."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.hooks.label_assisted_teacher import LabelAssistedTeacherHook
from dts.label_assisted.codes import fixed_ramp
from dts.label_assisted.teacher import FrozenLabelAssistedTeacher
from dts.methods.base import stack_labels
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import strip_data, toy_batch, toy_segmentor_config

TERM = dict(loss=dict(type='dts.ChannelWiseKD', temperature=4.0), weight=3.0)


def teacher_config(family: str = 'gaussian', **kwargs: Any) -> ConfigDict:
    codes = dict(type='dts.LabelCodes', family=family)
    config = dict(type='dts.LabelAssistedEncoderDecoder', codes=codes, **kwargs)
    return ConfigDict({**toy_segmentor_config(), **config})


def student(weight: float = 3.0, dropout: float = 0.5) -> Any:
    config = dict(
        type='dts.Distillation',
        student=toy_segmentor_config(dropout=dropout),
        distill=[{**TERM, 'weight': weight}],
    )
    return MODELS.build(config).train()


@pytest.fixture
def checkpoint(tmp_path) -> tuple[str, dict]:
    """A file of the first stage as ``dts.CheckpointHook`` writes it, and its tensors."""
    model = MODELS.build(teacher_config())
    model.init_weights()
    file = tmp_path / 'iter_2.pth'
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save(dict(state_dict=state, dts=dict(version=1, product='student')), file)
    return str(file), state


def attached(method: Any, file: str, config: Any = None, **kwargs: Any) -> LabelAssistedTeacherHook:
    hook = LabelAssistedTeacherHook(config or teacher_config(), file, **kwargs)
    hook.before_train(SimpleNamespace(model=method))
    return hook


def test_teacher_has_the_weights_of_the_file_and_is_shown_the_released_code(checkpoint):
    file, state = checkpoint
    method = student()
    hook = attached(method, file)
    teacher = method.teachers['teacher']
    assert hook.bank is method.teachers
    for name, tensor in teacher.segmentor.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not any('teacher' in name for name, _ in method.named_modules())

    images = torch.randn(1, 3, 50, 60)
    labels = torch.tensor([0, 1, 2, 255]).repeat(50, 15)[None]
    shown = teacher.inputs(images, labels)
    assert torch.equal(shown[:, :3], images)
    ramp = 1.735 * fixed_ramp(1, 3, torch.device('cpu'))[0, :, 0]  # classes, then ignored
    noise = shown[0, 3] - ramp.repeat(50, 15)
    assert abs(noise.std().item() - 0.035) < 4 * 0.035 / (2 * 3000) ** 0.5


def test_its_data_preprocessor_follows_the_student_to_its_device(checkpoint):
    method = student()
    method.student.backbone.to('meta')
    attached(method, checkpoint[0])
    teacher = method.teachers['teacher']
    assert teacher.segmentor.data_preprocessor.device.type == 'meta'
    assert teacher.segmentor.backbone.conv.weight.device.type == 'meta'


def test_codes_of_the_hook_replace_those_of_training(checkpoint):
    method = student()
    codes = dict(type='dts.LabelCodes', family='permuted_ramp', pixel_sigma=0.0, channel_drop=1.0)
    attached(method, checkpoint[0], codes=codes)
    labels = torch.zeros(40, 1, 1, dtype=torch.long)
    shown = method.teachers['teacher'].inputs(torch.zeros(40, 3, 1, 1), labels)
    # drawn anew for every image, and never dropped: the teacher is not in training
    ramp = 1.735 * fixed_ramp(1, 3, torch.device('cpu')).flatten()
    torch.testing.assert_close(shown[:, 3].unique(), ramp)


def test_another_ignored_label_is_that_of_the_first_stage_and_of_the_criterion(checkpoint):
    config = teacher_config()
    config.codes.ignore_index = 2
    method = student()
    method.ignore_index = method.criterion.ignore_index = 2
    attached(method, checkpoint[0], config)
    shown = method.teachers['teacher'].inputs(torch.zeros(1, 3, 1, 2), torch.tensor([[[2, 1]]]))
    ramp = 1.735 * fixed_ramp(1, 3, torch.device('cpu'))[0, :, 0]
    assert shown[0, 3, 0].tolist() == pytest.approx([ramp[3].item(), ramp[1].item()], abs=0.3)
    with pytest.raises(ValueError, match=r'sees labels takes the label 2 for ignored, .* 255: set'):
        attached(student(), checkpoint[0], config)


def test_scale_is_that_of_the_first_stage_unless_the_hook_has_its_own(checkpoint):
    config = teacher_config()
    config.codes.scale = 0.5
    top = []
    for own in ({}, {'scale': 0.25}):
        method = student()
        codes = dict(type='dts.LabelCodes', family='fixed_ramp', pixel_sigma=0.0, **own)
        attached(method, checkpoint[0], config, codes=codes)
        shown = method.teachers['teacher'].inputs(
            torch.zeros(1, 3, 1, 1), torch.full((1, 1, 1), 255)
        )
        top.append(shown[0, 3].item())
    assert top == [0.5, 0.25]  # a ramp ends at 1 for ignored pixels


def test_image_is_normalised_as_in_the_first_stage(checkpoint):
    method = student()
    config = teacher_config()
    config.data_preprocessor.update(mean=[100.0] * 3, std=[50.0] * 3)
    attached(method, checkpoint[0], config)
    pixels = torch.rand(1, 3, 4, 4) * 255
    shown = method.teachers['teacher'].inputs((pixels - 127.5) / 127.5, torch.zeros(1, 4, 4).long())
    torch.testing.assert_close(shown[:, :3], (pixels - 100) / 50)


def test_teachers_without_labels_stand_beside_it(checkpoint, tmp_path):
    """Two teachers of one student, each with its own input, weight and file."""
    big = MODELS.build(toy_segmentor_config(channels=12))
    file = str(tmp_path / 'big.pth')
    torch.save(big.state_dict(), file)
    config = dict(
        type='dts.Distillation',
        student=toy_segmentor_config(),
        distill=[TERM, {**TERM, 'teacher_name': 'big', 'weight': 0.5}],
    )
    method = MODELS.build(config).eval()
    more = dict(big=dict(config=toy_segmentor_config(channels=12), checkpoint=file))
    hook = attached(method, checkpoint[0], teachers=more)
    assert hook.bank.names == ['teacher', 'big']
    assert hook.bank.active == 'teacher'
    assert list(hook.bank.state_dict()['frozen']) == ['teacher', 'big']

    data = method.data_preprocessor(toy_batch(num_unlabeled=0), True)
    images = data['inputs']['labeled']
    torch.manual_seed(0)
    losses = method.loss(**data)
    cwd = method.terms['0'].loss
    ours = method.student(images)
    torch.testing.assert_close(losses['distill.1.loss_kd'], 0.5 * cwd(ours, big.eval()(images)))
    torch.manual_seed(0)
    teacher = method.teachers['teacher']
    coded = teacher.inputs(images, stack_labels(data['data_samples']['labeled']))
    assert coded.shape[1] == 4
    torch.testing.assert_close(
        losses['distill.0.loss_kd'], 3.0 * cwd(ours, teacher.segmentor(coded))
    )
    with pytest.raises(ValueError, match="called 'teacher': give the one in teachers"):
        LabelAssistedTeacherHook('a.py', 'a.pth', teachers=dict(teacher=more['big']))


def test_step_moves_the_student_alone(checkpoint):
    file, state = checkpoint
    method = student()
    attached(method, file)
    before = {name: tensor.clone() for name, tensor in method.student.state_dict().items()}
    method.train()
    wrapper = OptimWrapper(torch.optim.SGD(method.parameters(), lr=0.1))
    logged = method.train_step(toy_batch(num_unlabeled=0), wrapper)
    assert logged['distill.0.loss_kd'] > 0
    teacher = method.teachers['teacher'].segmentor
    for name, tensor in teacher.state_dict().items():  # statistics of BatchNorm too
        assert torch.equal(tensor, state[name]), name
    assert all(p.grad is None for p in teacher.parameters())
    assert not any(module.training for module in teacher.modules())
    assert not torch.equal(method.student.backbone.conv.weight, before['backbone.conv.weight'])
    assert method.student.backbone.conv.weight.shape[1] == 3


def test_student_is_plain_and_its_state_has_no_part_of_the_teacher(checkpoint):
    method = student()
    attached(method, checkpoint[0])
    plain = MODELS.build(toy_segmentor_config())
    assert type(method.student) is type(plain)
    plain.load_state_dict(method.student.state_dict(), strict=True)
    names = set(method.state_dict())
    assert names == {f'student.{name}' for name in plain.state_dict()}


def test_the_student_learns_from_the_teacher_with_labels(checkpoint):
    method = student(dropout=0.0).eval()
    attached(method, checkpoint[0])
    batch = toy_batch(num_unlabeled=0)
    data = method.data_preprocessor(batch, True)
    images = data['inputs']['labeled']
    labels = stack_labels(data['data_samples']['labeled'])
    torch.manual_seed(0)
    losses = method.loss(**data)
    torch.manual_seed(0)
    teacher = method.teachers['teacher']
    target = teacher.segmentor(teacher.inputs(images, labels))
    expected = 3.0 * method.terms['0'].loss(method.student(images), target)
    torch.testing.assert_close(losses['distill.0.loss_kd'], expected)
    without = teacher.segmentor(teacher.segmentor.with_zeros(images))
    assert not torch.allclose(target, without, atol=1e-3)


def test_weight_0_is_plain_training_bitwise(checkpoint):
    states = []
    for kind in ('plain', 'distilled'):
        torch.manual_seed(0)
        method = student(weight=0.0)
        if kind == 'plain':
            config = dict(type='dts.Supervised', student=toy_segmentor_config(dropout=0.5))
            torch.manual_seed(0)
            method = MODELS.build(config).train()
        else:
            attached(method, checkpoint[0])
        wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.01))
        for _ in range(3):
            method.train_step(toy_batch(num_unlabeled=0), wrapper)
        states.append(method.student.state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


@pytest.mark.slow
def test_step_runs_on_tensors_without_data():
    method = student()
    codes = dict(type='dts.LabelCodes', family='fixed_ramp')
    origin = dict(checkpoint='teacher.pth', sha256='0')
    teacher = FrozenLabelAssistedTeacher(
        MODELS.build(teacher_config()), method.student, origin, codes
    )
    method.to('meta')
    method.attach_teachers(TeacherBank({'teacher': teacher.to('meta')}))
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    batch = toy_batch(num_unlabeled=0)
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(batch)
        logged = method.train_step(batch, wrapper)
    assert all(value.device.type == 'meta' for value in logged.values())


def test_step_under_bfloat16_autocast_is_finite(checkpoint):
    values = []
    for enabled in (False, True):
        torch.manual_seed(0)
        method = student(dropout=0.0)
        attached(method, checkpoint[0])
        data = method.data_preprocessor(toy_batch(num_unlabeled=0), True)
        torch.manual_seed(1)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=enabled):
            losses = method.loss(**data)
        method.parse_losses(losses)[0].backward()
        assert all(value.isfinite() for value in losses.values())
        assert all(p.grad.isfinite().all() for p in method.parameters())
        values.append(losses['distill.0.loss_kd'])
    assert values[1].dtype == torch.float32
    assert not torch.equal(*values)
    torch.testing.assert_close(values[1], values[0], rtol=0.1, atol=0)


def test_a_partial_file_is_refused(checkpoint, tmp_path):
    _, state = checkpoint
    file = str(tmp_path / 'partial.pth')
    torch.save({name: t for name, t in state.items() if 'norm' not in name}, file)
    with pytest.raises(ValueError, match=r'teacher.* 4 missing in the file: backbone.norm'):
        attached(student(), file)


def test_a_stem_of_three_channels_is_refused(tmp_path):
    file = str(tmp_path / 'plain.pth')
    torch.save(MODELS.build(toy_segmentor_config()).state_dict(), file)
    with pytest.raises(ValueError, match=r'conv.weight \(8, 3, 3, 3\) vs \(8, 4, 3, 3\)'):
        attached(student(), file)
    with pytest.raises(ValueError, match=r'builds a EncoderDecoder: name the config of the first'):
        attached(student(), file, toy_segmentor_config())


def test_codes_of_other_channels_are_refused(tmp_path):
    config = teacher_config('one_hot')
    file = str(tmp_path / 'one_hot.pth')
    torch.save(MODELS.build(config).state_dict(), file)
    message = r"trained with the codes 'one_hot' of 4 channels, .* set codes.family='one_hot'"
    with pytest.raises(ValueError, match=message):
        attached(student(), file, config)
    attached(student(), file, config, codes=dict(type='dts.LabelCodes', family='one_hot'))


def test_a_question_without_labels_is_refused(checkpoint):
    method = student()
    attached(method, checkpoint[0])
    with pytest.raises(ValueError, match='answers for labelled images only'):
        method.teachers.probabilities(torch.zeros(1, 3, 8, 8))
