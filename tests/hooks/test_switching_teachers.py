"""Temporary teachers in real runs of a toy network: turns, means, rest, hand-over."""

import copy

import pytest
import torch
from mmengine.hooks import Hook

from dts.hooks import switching_teachers
from dts.hooks.switching_teachers import SwitchingTeachersHook
from dts.hooks.teacher_hook import unwrap
from toy_run import toy_runner

WEIGHT = 'decode_head.conv_seg.weight'


class Recorder(Hook):
    """Keep student and teachers after every iteration, and before the first."""

    priority = 'LOWEST'

    def __init__(self):
        self.students, self.teachers, self.active = [], [], []

    def record(self, runner):
        method = unwrap(runner)
        bank = method.teachers
        self.students.append(copy.deepcopy(method.student.state_dict()))
        self.teachers.append([copy.deepcopy(bank[n].segmentor.state_dict()) for n in bank.names])
        self.active.append(bank.active_index)

    def before_train(self, runner):
        self.record(runner)

    def after_train_iter(self, runner, *args, **kwargs):
        self.record(runner)


class FirstLabels(Hook):
    """In the first step of every shift all teachers say the same, whatever their weights are."""

    def __init__(self, shift):
        self.shift = shift

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        bank = unwrap(runner).teachers
        vars(bank).pop('probabilities', None)
        if batch_idx % self.shift == 0:
            bank.probabilities = lambda images: torch.eye(3)[:1, :, None, None].expand(
                len(images), 3, *images.shape[-2:]
            )


def recorded(tmp_path, iterations, accumulation=1, other_hooks=(), **hook):
    hooks = [dict(type='dts.SwitchingTeachersHook', **hook)]
    runner = toy_runner(
        tmp_path,
        iterations=iterations,
        custom_hooks=hooks,
        optim_wrapper__accumulative_counts=accumulation,
        default_hooks__checkpoint__interval=accumulation,
    )
    recorder = Recorder()
    for other in (*other_hooks, recorder):
        runner.register_hook(other)
    runner.train()
    return runner, recorder


def equal(one, two):
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_turns_rest_and_running_means(tmp_path):
    runner, seen = recorded(tmp_path, 9, shift=3)
    assert seen.active == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1]
    for step in range(9):
        on_duty, resting = seen.active[step], 1 - seen.active[step]
        assert equal(seen.teachers[step + 1][resting], seen.teachers[step][resting])
        students = seen.students[step - step % 3 + 1 : step + 2]  # of this shift
        mean = torch.stack([student[WEIGHT] for student in students]).mean(0)
        torch.testing.assert_close(seen.teachers[step + 1][on_duty][WEIGHT], mean)
        norm = 'backbone.norm.running_mean'
        assert torch.equal(seen.teachers[step + 1][on_duty][norm], students[-1][norm])
    scalars = runner.message_hub.log_scalars
    assert scalars['train/teacher.active'].data[0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert scalars['train/teacher.horizon'].data[0].tolist() == [1, 2, 3] * 3


def test_first_step_of_a_shift_copies_the_student_buffers_included(tmp_path):
    _, seen = recorded(tmp_path, 4, shift=3)
    assert equal(seen.teachers[1][0], seen.students[1])
    assert equal(seen.teachers[4][1], seen.students[4])


@pytest.mark.slow
def test_a_teacher_that_keeps_its_memory_goes_on_where_it_stopped(tmp_path):
    _, seen = recorded(tmp_path, 6, shift=2, ema_counter='per_teacher')
    # teacher 0 is on duty in steps 0, 1, 4, 5: the plain mean of those students
    mean = torch.stack([seen.students[t + 1][WEIGHT] for t in (0, 1, 4, 5)]).mean(0)
    torch.testing.assert_close(seen.teachers[6][0][WEIGHT], mean)


@pytest.mark.parametrize('on_switch', ['keep', 'sync'])
def test_what_a_teacher_starts_its_shift_with(tmp_path, on_switch):
    _, seen = recorded(tmp_path, 5, shift=2, on_switch=on_switch)
    handed_over = seen.teachers[4][0]  # teacher 0 comes on duty again after step 3
    assert seen.active[4] == 0
    assert equal(handed_over, seen.students[4]) == (on_switch == 'sync')
    assert equal(handed_over, seen.teachers[3][0]) == (on_switch == 'keep')


@pytest.mark.slow
def test_synchronised_teachers_equal_one_that_resets(tmp_path):
    one = recorded(tmp_path / 'one', 7, shift=2, on_switch='sync', num_teachers=1)[1]
    two = recorded(tmp_path / 'two', 7, shift=2, on_switch='sync', num_teachers=2)[1]
    assert all(equal(a, b) for a, b in zip(one.students, two.students, strict=True))
    kept = recorded(tmp_path / 'kept', 7, shift=2, num_teachers=2)[1]
    assert not equal(kept.students[-1], two.students[-1])


@pytest.mark.slow
def test_two_teachers_equal_one_that_resets_once_the_first_labels_of_a_shift_are_equal(tmp_path):
    def run(name, num_teachers, *hooks):
        folder = tmp_path / f'{name}{num_teachers}'
        return recorded(folder, 7, other_hooks=hooks, shift=2, num_teachers=num_teachers)[1]

    one, two = (run('forced', count, FirstLabels(2)) for count in (1, 2))
    assert all(equal(a, b) for a, b in zip(one.students, two.students, strict=True))
    for step, index in enumerate(two.active[:-1]):  # weights stem from the students of the shift
        assert equal(one.teachers[step + 1][0], two.teachers[step + 1][index])
    one, two = (run('free', count) for count in (1, 2))
    assert not equal(one.students[-1], two.students[-1])


def test_decay_may_follow_a_schedule(tmp_path):
    decay = dict(type='linear', start=0.0, end=0.4, iters=4)  # 0, 0.1, 0.2, 0.3, 0.4, 0.4
    runner, seen = recorded(tmp_path, 6, shift=3, decay=decay)
    kept = runner.message_hub.log_scalars['train/teacher.decay'].data[0].tolist()
    assert kept == pytest.approx([0, 0.1, 0.2, 0, 0.4, 0.4])  # 0 in the first step of a shift
    before, student = seen.teachers[4][1][WEIGHT], seen.students[5][WEIGHT]
    torch.testing.assert_close(seen.teachers[5][1][WEIGHT], 0.4 * before + 0.6 * student)


@pytest.mark.parametrize(('shift', 'steps'), [('labeled_pass', 3), ('unlabeled_pass', 4), (5, 5)])
def test_shift_follows_a_stream(tmp_path, shift, steps):
    runner, _ = recorded(tmp_path, 1, shift=shift)
    hook = next(hook for hook in runner.hooks if isinstance(hook, SwitchingTeachersHook))
    lengths = runner.train_dataloader.sampler.lengths
    batch = runner.train_dataloader.sampler.batch
    expected = {
        name: -(-lengths[stream] // batch[stream])
        for name, stream in (('labeled_pass', 'labeled'), ('unlabeled_pass', 'unlabeled'))
    }
    assert hook.shift_steps == expected.get(shift, 5) == steps


@pytest.mark.slow
def test_accumulation_moves_and_counts_optimizer_steps(tmp_path):
    runner, seen = recorded(tmp_path, 8, accumulation=4, shift=1)
    assert unwrap(runner).teachers.updates == 2
    assert seen.active == [0] * 4 + [1] * 4 + [0]


def test_statistics_of_a_teacher_in_train_mode_are_averaged_over_ranks(tmp_path, monkeypatch):
    averaged = []
    monkeypatch.setattr(switching_teachers, 'average_buffers', averaged.append)
    runner, _ = recorded(tmp_path, 3, shift=2, teacher_mode='train', buffers='own')
    bank = unwrap(runner).teachers
    assert averaged == [bank[f'teacher.{index}'] for index in (0, 0, 1)]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(num_teachers=0), 'at least 1, got 0'),
        (dict(num_teachers=2.5), 'num_teachers must be a whole number, at least 1, got 2.5'),
        (dict(decay='0.99'), "a schedule is a number, .* got '0.99'"),
        (dict(shift=0), 'optimizer steps >= 1, got 0'),
        (dict(shift='epoch'), "got 'epoch'"),
        (dict(decay=1.5), r'in \[0, 1\], got 1.5'),
        (dict(decay=dict(type='linear', start=0, end=2, iters=3)), r'in \[0, 1\], got 2'),
        (dict(ema_counter='mine'), 'ema_counter must be one of'),
        (dict(on_switch='copy'), 'on_switch must be one of'),
        (dict(teacher_mode='test'), 'teacher_mode must be one of'),
        (dict(buffers='own'), "needs teacher_mode='train'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SwitchingTeachersHook(**arguments)
