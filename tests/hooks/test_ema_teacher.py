"""When the teacher is built and moved, through real runs of a toy network."""

import pytest
import torch
from mmengine.hooks import Hook

from dts.hooks import ema_teacher
from dts.hooks.ema_teacher import EmaTeacherHook
from dts.hooks.teacher_hook import unwrap
from toy_run import toy_runner


class Recorder(Hook):
    """Keep what student and teacher hold after every iteration, and before the first."""

    priority = 'LOWEST'

    def __init__(self):
        self.students, self.teachers, self.updates = [], [], []

    def record(self, runner):
        method = unwrap(runner)
        teacher = method.teachers['teacher']
        for kept, module in ((self.students, method.student), (self.teachers, teacher.segmentor)):
            kept.append({name: value.clone() for name, value in module.state_dict().items()})
        self.updates.append(teacher.updates)

    def before_train(self, runner):
        self.record(runner)

    def after_train_iter(self, runner, *args, **kwargs):
        self.record(runner)


def recorded(tmp_path, iterations, **changes):
    runner = toy_runner(tmp_path, iterations=iterations, **changes)
    recorder = Recorder()
    runner.register_hook(recorder)
    runner.train()
    return runner, recorder


def test_teacher_starts_as_the_student_and_follows_it_after_every_step(tmp_path):
    _, recorder = recorded(tmp_path, 4, custom_hooks=[dict(type='dts.EmaTeacherHook', decay=0.5)])
    students, teachers = recorder.students, recorder.teachers
    weight = 'decode_head.conv_seg.weight'
    assert all(torch.equal(teachers[0][name], students[0][name]) for name in students[0])
    assert not torch.equal(students[0][weight], students[1][weight])
    expected = students[1][weight]  # the first update copies
    torch.testing.assert_close(teachers[1][weight], expected)
    for step in (2, 3, 4):
        expected = 0.5 * expected + 0.5 * students[step][weight]
        torch.testing.assert_close(teachers[step][weight], expected)
        assert torch.equal(
            teachers[step]['backbone.norm.running_mean'],
            students[step]['backbone.norm.running_mean'],
        )


@pytest.mark.slow
@pytest.mark.parametrize(('accumulation', 'expected'), [(1, 8), (4, 2)])
def test_teacher_moves_once_per_optimizer_step(tmp_path, accumulation, expected):
    changes = {
        'optim_wrapper__accumulative_counts': accumulation,
        'default_hooks__checkpoint__interval': accumulation,
    }
    _, recorder = recorded(tmp_path, 8, **changes)
    assert recorder.updates[-1] == expected
    moved = [a != b for a, b in zip(recorder.updates, recorder.updates[1:], strict=False)]
    assert moved == [(step + 1) % accumulation == 0 for step in range(8)]


def test_decay_and_horizon_are_logged(tmp_path):
    runner, _ = recorded(tmp_path, 3, custom_hooks=[dict(type='dts.EmaTeacherHook', decay=0.9)])
    scalars = runner.message_hub.log_scalars
    assert scalars['train/teacher.decay'].data[0].tolist() == pytest.approx([0, 1 / 2, 2 / 3])
    assert scalars['train/teacher.horizon'].data[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize('first_count', [0, 1])
def test_teacher_is_the_mean_of_the_students_from_the_first_count_on(tmp_path, first_count):
    hook = dict(
        type='dts.EmaTeacherHook', decay=1.0, first_count=first_count
    )  # never past the ramp
    _, recorder = recorded(tmp_path, 5, custom_hooks=[hook])
    weight = 'decode_head.conv_seg.weight'
    students = torch.stack([state[weight] for state in recorder.students])  # theta_0 .. theta_5
    for step in range(1, 6):
        expected = students[1 - first_count : step + 1].mean(0)
        torch.testing.assert_close(recorder.teachers[step][weight], expected)


def test_batch_statistics_leave_the_teacher_buffers_of_its_own(tmp_path, monkeypatch):
    averaged = []
    monkeypatch.setattr(ema_teacher, 'average_buffers', averaged.append)
    hook = dict(type='dts.EmaTeacherHook', decay=0.5, batch_statistics=True)
    runner, recorder = recorded(tmp_path, 3, custom_hooks=[hook])
    mean, count = 'backbone.norm.running_mean', 'backbone.norm.num_batches_tracked'
    weight = 'backbone.conv.weight'
    for step in range(1, 4):
        teacher, student = recorder.teachers[step], recorder.students[step]
        assert not torch.allclose(teacher[mean], student[mean], atol=1e-4)
        assert not torch.equal(teacher[mean], recorder.teachers[step - 1][mean])
        assert teacher[count] == step  # one labelling per step
    torch.testing.assert_close(recorder.teachers[1][weight], recorder.students[1][weight])
    assert averaged == [unwrap(runner).teachers['teacher']] * 3  # over ranks, after every step


@pytest.mark.slow
def test_weights_alone_start_a_teacher_from_the_loaded_student(tmp_path):
    first, _ = recorded(tmp_path / 'first', 3)
    changes = dict(load_from=str(tmp_path / 'first/iter_3.pth'))
    _, recorder = recorded(tmp_path / 'second', 1, **changes)
    loaded = first.model.student.state_dict()
    assert all(torch.equal(recorder.students[0][name], loaded[name]) for name in loaded)
    assert all(torch.equal(recorder.teachers[0][name], loaded[name]) for name in loaded)
    assert recorder.updates[0] == 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(first_count=-1), 'first_count must be at least 0, got -1'),
        (dict(buffers='own'), "got buffers='own' and batch_statistics=False"),
        (dict(buffers='copy', batch_statistics=True), 'Leave buffers out'),
        (dict(buffers='average', batch_statistics=True), "got buffers='average'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        EmaTeacherHook(**arguments)


def test_errors_name_the_fix(tmp_path):
    hook = EmaTeacherHook()

    class Resumed:
        _resume = True

    with pytest.raises(ValueError, match='holds no teacher'):
        hook.after_load_checkpoint(Resumed(), {'dts': {}})

    class Plain:
        model = torch.nn.Identity()

    with pytest.raises(TypeError, match='needs a method of dts as model, got Identity'):
        hook.before_train(Plain())
