"""Acceptance tests of DTS: one group is its host, labels cross, shares are as composed."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import OptimWrapper

from dts.evaluation.models import available_models
from dts.hooks.group_teachers import GroupTeachersHook
from dts.methods.composition import COMPOSITIONS
from dts.models.mean_segmentor import MEAN
from dts.registry import HOOKS, MODELS
from dts.targets.exchange import EXCHANGE_RULES
from dts.teachers.bank import TeacherBank
from toys import toy_batch, toy_segmentor_config, uda_batch

SHARES = tuple(COMPOSITIONS)
EMA = dict(type='dts.EmaTeacherHook', decay=0.8)


def self_training(**kwargs):
    student = toy_segmentor_config(dropout=kwargs.pop('dropout', 0.0))
    return dict(type='dts.SelfTraining', student=student, **{'threshold': 0.4, **kwargs})


def mean_teacher(**kwargs):
    student = toy_segmentor_config(dropout=0.3)
    return dict(type='dts.MeanTeacher', student=student, threshold=0.4, **kwargs)


def dual_teacher(**kwargs):
    student = toy_segmentor_config(dropout=0.3)
    return dict(type='dts.DualTeacher', student=student, threshold=0.4, **kwargs)


class Run:
    """A method with its teacher hook and an optimizer, without a Runner."""

    def __init__(self, model, hook, rate=0.3):
        torch.manual_seed(0)
        self.method = MODELS.build(model).train()
        self.hook = hook
        self.wrapper = OptimWrapper(torch.optim.SGD(self.method.parameters(), lr=rate))
        hub = MessageHub.get_instance(f'run{id(self)}')
        self.runner = SimpleNamespace(
            model=self.method,
            optim_wrapper=self.wrapper,
            message_hub=hub,
            logger=MMLogger.get_instance('groups'),
            cfg=ConfigDict(find_unused_parameters=False),
        )
        hook.before_train(self.runner)
        self.step = 0

    def train(self, batch):
        self.hook.before_train_iter(self.runner, self.step)
        torch.manual_seed(self.step)
        logged = self.method.train_step(batch, self.wrapper)
        self.hook.after_train_iter(self.runner, self.step)
        self.step += 1
        return logged


def groups(host, hook=EMA, start_iter=0, **kwargs):
    model = dict(type='dts.DualTeacherStudent', host=host, **kwargs)
    return Run(model, GroupTeachersHook(teacher=hook, start_iter=start_iter))


def scores(network, images):
    return network.decode_head(network.extract_feat(images))


HOSTS = {
    'dacs': (self_training(dropout=0.3, color=dict(type='dts.ColorAugmentation')), EMA, uda_batch),
    'mic': (self_training(dropout=0.3, masking=dict(block_size=4)), EMA, uda_batch),
    'mic_separate': (
        self_training(dropout=0.3, masking=dict(block_size=4, images='separate', color=False)),
        EMA,
        uda_batch,
    ),
    'mean_teacher': (
        mean_teacher(mix=dict(type='dts.CutMix'), labeled_mix=0.5, ramp_steps=3),
        EMA,
        toy_batch,
    ),
    'dual_teacher': (
        dual_teacher(sub_network='drop_path'),
        dict(type='dts.SwitchingTeachersHook', shift=2, decay=0.8),
        toy_batch,
    ),
}


@pytest.mark.parametrize('name', HOSTS)
def test_one_group_is_the_host_bitwise(name):
    host, hook, make_batch = HOSTS[name]
    if name == 'dual_teacher':
        host = {**host, 'sub_network': 'none'}
    alone = Run(host, HOOKS.build(hook))
    group = groups(host, hook, compositions=[25], exchange='self')
    for seed in range(6):
        expected, ours = alone.train(make_batch(seed=seed)), group.train(make_batch(seed=seed))
        assert torch.equal(expected['loss'], ours['loss'])
    for key, tensor in alone.method.student.state_dict().items():
        assert torch.equal(tensor, group.method.student.state_dict()[key]), key
    for teacher in alone.method.teachers.names:
        expected = alone.method.teachers[teacher].segmentor.state_dict()
        ours = group.method.teachers[teacher].segmentor.state_dict()
        assert all(torch.equal(expected[key], ours[key]) for key in expected)


def test_equal_groups_stay_equal_under_cross():
    # source + target has no draw: both groups see the same
    halves = ('source', 'target')
    run = groups(self_training(), compositions=[halves, halves])
    for seed in range(4):
        run.train(uda_batch(seed=seed))
    first, second = run.method.students.values()
    for key, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[key]), key
    first, second = (run.method.teachers[name].segmentor for name in ('teacher', 'teacher_2'))
    assert all(torch.equal(t, second.state_dict()[k]) for k, t in first.state_dict().items())


@pytest.mark.parametrize('share', [25, 75])
def test_groups_with_the_same_draws_stay_equal_under_cross(share):
    host = self_training(dropout=0.3, color=dict(type='dts.ColorAugmentation'))
    run = groups(host, compositions=[share, share])
    for step in range(3):
        run.hook.before_train_iter(run.runner, step)
        data = run.method.data_preprocessor(uda_batch(seed=step), training=True)
        iterator = run.method.group_losses(**data)
        terms = []
        for _ in range(2):
            torch.manual_seed(step)
            terms.append(run.method.parse_losses(next(iterator))[0])
        assert torch.equal(*terms)
        run.wrapper.update_params(sum(terms))
        run.hook.after_train_iter(run.runner, step)
    first, second = run.method.students.values()
    assert all(torch.equal(t, second.state_dict()[k]) for k, t in first.state_dict().items())


def test_groups_differ_once_their_compositions_do():
    run = groups(self_training())
    before = run.method.student.state_dict()['backbone.conv.weight'].clone()
    assert torch.equal(before, run.method.student_2.state_dict()['backbone.conv.weight'])
    run.train(uda_batch())
    first, second = run.method.students.values()
    assert not torch.equal(first.backbone.conv.weight, second.backbone.conv.weight)


@pytest.mark.parametrize('group', ['student', 'student_2'])
def test_a_constant_teacher_shows_in_the_labels_of_the_other_group_alone(group):
    run = groups(self_training(threshold=0.0), compositions=[('source', 'target')] * 2)
    constant = run.method.teachers['teacher' + group.removeprefix('student')].segmentor
    with torch.no_grad():
        constant.decode_head.conv_seg.weight.zero_()
        constant.decode_head.conv_seg.bias.copy_(torch.tensor([-9.0, -9.0, 9.0]))
    data = run.method.data_preprocessor(uda_batch(), training=True)
    losses = run.method(**data, mode='loss')
    other = 'student_2' if group == 'student' else 'student'
    for name, is_taught_the_constant in ((group, False), (other, True)):
        logits = scores(run.method.students[name], data['inputs']['target'])
        labels = torch.full((2, 16, 16), 2)
        key = 'group_2' if name == 'student_2' else 'group_1'
        found = losses[f'{key}.target.decode.loss_ce']
        is_equal = torch.allclose(found, F.cross_entropy(logits, labels), atol=1e-6)
        assert is_equal == is_taught_the_constant


def test_no_gradient_reaches_a_teacher_and_none_is_trained():
    run = groups(self_training())
    run.train(uda_batch())
    for name in ('teacher', 'teacher_2'):
        for weight in run.method.teachers[name].parameters():
            assert weight.grad is None
            assert not weight.requires_grad
    assert not any('teacher' in name for name, _ in run.method.named_parameters())


@pytest.mark.parametrize('share', SHARES)
def test_target_share_of_a_group_is_logged_and_as_composed(share):
    run = groups(self_training(), compositions=[share], exchange='self')
    measured = [
        run.train(uda_batch(seed=seed, size=(32, 32)))['group_1.stat_target_share']
        for seed in range(12)
    ]
    # Of three equally frequent classes two are pasted: such a half is 1/3 target, not 1/2.
    expected = {0: 0.0, 25: 1 / 6, 50: 1 / 2, 75: 2 / 3, 100: 1.0}[share]
    assert torch.stack(measured).mean() == pytest.approx(expected, abs=0.02)


def test_losses_of_both_groups_by_hand():
    """L_1 and L_2 of the reconstruction, with masks and labels recomputed from the same draws."""
    second = ('source', 'mix_source_target', 'mix_target_target')
    run = groups(self_training(), lambda_cross=0.7, compositions=[25, second])
    method = run.method
    with torch.no_grad():
        for network in (
            method.student_2,
            *(method.teachers[name].segmentor for name in ('teacher', 'teacher_2')),
        ):
            network.decode_head.conv_seg.weight.normal_()
    data = method.data_preprocessor(uda_batch(), training=True)
    x_s, x_t = data['inputs']['source'], data['inputs']['target']
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    torch.manual_seed(5)
    losses = method(**data, mode='loss')

    def wce(network, images, labels, weights):
        loss_map = F.cross_entropy(scores(network, images), labels, reduction='none')
        return (weights * loss_map).sum() / loss_map.numel()

    answers = []
    for teacher in ('teacher', 'teacher_2'):
        segmentor = method.teachers[teacher].segmentor
        c, label = scores(segmentor, x_t).softmax(1).max(1)
        answers.append((label, 0.7 * (c >= 0.4).float().mean()))
    (l_1, q_1), (l_2, q_2) = answers
    torch.manual_seed(5)

    def cut(labels, round_up):
        draws = torch.rand(len(labels), 3)
        mask = torch.zeros(labels.shape, dtype=torch.bool)
        for image in range(len(labels)):
            present = sorted(labels[image].unique().tolist(), key=lambda k: float(draws[image, k]))
            for k in present[: (len(present) + round_up) // 2]:
                mask[image] |= labels[image] == k
        return mask

    f_1, f_2 = method.student, method.student_2
    source = cut(y, round_up=1)
    mixed = torch.where(source[:, None], x_s, x_t)
    expected = {
        'group_1.source.decode.loss_ce': F.cross_entropy(scores(f_1, x_s), y),
        'group_1.mix_source_target.decode.loss_ce': wce(
            f_1, mixed, torch.where(source, y, l_2), torch.where(source, 1.0, q_2)
        ),
    }
    source = cut(y, round_up=1)
    mixed = torch.where(source[:, None], x_s, x_t)
    kept = cut(l_1, round_up=0)
    swapped = torch.where(kept[:, None], x_t, x_t.roll(-1, dims=0))
    expected |= {
        'group_2.source.decode.loss_ce': F.cross_entropy(scores(f_2, x_s), y),
        'group_2.mix_source_target.decode.loss_ce': wce(
            f_2, mixed, torch.where(source, y, l_1), torch.where(source, 1.0, q_1)
        ),
        'group_2.mix_target_target.decode.loss_ce': wce(
            f_2, swapped, torch.where(kept, l_1, l_1.roll(-1, dims=0)), q_1.expand(l_1.shape)
        ),
    }
    assert {key for key in losses if 'loss' in key} == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(losses[key], value, msg=key)
    torch.testing.assert_close(
        losses['group_1.stat_teachers_disagree'], (l_1 != l_2).float().mean()
    )


def test_defaults_are_those_that_scored_best():
    """See configs/dts/README.md."""
    method = groups(self_training()).method
    first, second = ('source', 'mix_source_target'), ('source', 'mix_target_target')
    assert method.compositions == [first, second]
    assert (method.exchange, method.lambda_cross) == ('cross', 1.0)


def test_both_adds_the_other_labels_and_counts_pasted_pixels_once():
    run = groups(self_training(threshold=0.0), exchange='both', lambda_cross=0.5)
    run_self = groups(self_training(threshold=0.0), exchange='self')
    key = 'group_1.mix_source_target.decode.loss_ce'
    data = run.method.data_preprocessor(uda_batch(), training=True)
    # Both teachers are the student: the other labels are the own ones, at half the weight.
    torch.manual_seed(3)
    both = run.method(**data, mode='loss')[key]
    torch.manual_seed(3)
    own = run_self.method(**data, mode='loss')[key]
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    torch.manual_seed(3)
    mixture = run.method.host.mix_source(
        run.method.student, run.method.host.read(**data), torch.zeros_like(y)
    )
    logits = scores(run.method.student, mixture.images)
    labels = run.method.teachers['teacher'].logits(data['inputs']['target']).argmax(1)
    loss_map = F.cross_entropy(logits, labels, reduction='none')
    expected = own + 0.5 * (loss_map * ~mixture.pasted).sum() / loss_map.numel()
    torch.testing.assert_close(both, expected)


def test_both_masks_source_images_once():
    """The labels of two teachers on one half of the masked images, true ones on the other."""
    masking = dict(block_size=4, images='separate', color=False)
    run = groups(self_training(threshold=0.0, masking=masking), exchange='both', lambda_cross=0.5)
    method, shown = run.method, {}
    method.host.observers.append(shown.update)
    data = method.data_preprocessor(uda_batch(), training=True)
    losses = method(**data, mode='loss')
    # the second group is masked last; both teachers are its student
    x_t, masked = data['inputs']['target'], shown['masked']
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    labels = torch.stack([y[0], method.teachers['teacher'].logits(x_t).argmax(1)[0]])
    loss_map = F.cross_entropy(scores(method.student_2, masked), labels, reduction='none')
    expected = (loss_map[0].sum() + 1.5 * loss_map[1].sum()) / loss_map.numel()
    torch.testing.assert_close(losses['group_2.masked.decode.loss_ce'], expected)


def test_mean_takes_the_class_of_the_mean_probability():
    run = groups(
        self_training(threshold=0.0), exchange='mean', compositions=[('source', 'target')] * 2
    )
    biases = torch.tensor([[9.0, 0.0, -9.0], [-9.0, 0.0, 1.5]])
    for name, bias in zip(('teacher', 'teacher_2'), biases, strict=True):
        head = run.method.teachers[name].segmentor.decode_head.conv_seg
        head.weight.data.zero_()
        head.bias.data.copy_(bias)
    data = run.method.data_preprocessor(uda_batch(), training=True)
    losses = run.method(**data, mode='loss')
    assert int((biases.softmax(1).sum(0)).argmax()) == 0
    logits = scores(run.method.student, data['inputs']['target'])
    expected = F.cross_entropy(logits, torch.zeros(2, 16, 16, dtype=torch.int64))
    torch.testing.assert_close(losses['group_1.target.decode.loss_ce'], expected)


@pytest.mark.parametrize('rule', EXCHANGE_RULES)
def test_every_rule_trains(rule):
    run = groups(self_training(), exchange=rule)
    before = [weight.clone() for weight in run.method.parameters()]
    assert torch.isfinite(run.train(uda_batch())['loss'])
    changed = [not torch.equal(a, b) for a, b in zip(before, run.method.parameters(), strict=True)]
    assert all(changed)


def test_second_group_rests_until_its_start_and_begins_as_the_first():
    run = groups(self_training(), start_iter=3)
    alone = groups(self_training(), compositions=[25], exchange='self')
    resting = {k: t.clone() for k, t in run.method.student_2.state_dict().items()}
    for seed in range(3):
        logged, expected = run.train(uda_batch(seed=seed)), alone.train(uda_batch(seed=seed))
        assert torch.equal(logged['loss'], expected['loss'])
        assert not any(key.startswith('group_2') for key in logged)
    assert all(torch.equal(t, resting[k]) for k, t in run.method.student_2.state_dict().items())
    run.hook.before_train_iter(run.runner, 3)
    first, second = run.method.students.values()
    assert all(torch.equal(t, second.state_dict()[k]) for k, t in first.state_dict().items())
    ours, theirs = (run.method.teachers[name] for name in ('teacher_2', 'teacher'))
    assert ours.updates == theirs.updates == 3
    logged = run.train(uda_batch(seed=3))
    assert any(key.startswith('group_2') for key in logged)
    assert ours.updates == theirs.updates == 4


def test_testing_costs_what_it_costs_with_the_host():
    host = MODELS.build(self_training())
    run = groups(self_training())
    assert isinstance(run.method.student, type(host.student))
    sizes = {key: tensor.shape for key, tensor in host.student.state_dict().items()}
    calls = []
    for name, network in available_models(run.method).items():
        if name == MEAN:
            continue
        assert {k: t.shape for k, t in network.state_dict().items()} == sizes
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    sample = uda_batch()
    data = dict(
        inputs=sample['inputs']['target'][:1], data_samples=sample['data_samples']['target'][:1]
    )
    run.method.test_step(data)
    assert calls == ['student']


def test_student_names_of_optimizer_and_state():
    run = groups(self_training())
    names = {name.partition('.')[0] for name, _ in run.method.named_parameters()}
    assert names == {'student', 'student_2'}
    assert not any(name.startswith('host.student') for name in run.method.state_dict())


def test_weights_are_initialised_once_and_copied():
    method = MODELS.build(dict(type='dts.DualTeacherStudent', host=self_training()))
    calls = []
    method.student.backbone.init_weights = lambda: calls.append(1)
    method.student_2.backbone.init_weights = lambda: calls.append(2)
    with torch.no_grad():
        method.student_2.backbone.conv.weight.zero_()
    method.init_weights()
    assert calls == [1]
    assert torch.equal(method.student.backbone.conv.weight, method.student_2.backbone.conv.weight)


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        (dict(exchange='swap'), ValueError, 'exchange must be one of'),
        (dict(lambda_cross=-1.0), ValueError, 'lambda_cross must be at least 0'),
        (dict(compositions=[]), ValueError, 'one entry per group'),
        (dict(compositions=[25, 30]), ValueError, 'no composition with 30 % target'),
        (dict(compositions=[('source', 'mix')]), ValueError, 'a composition is made of'),
        (dict(host=dict(type='dts.Supervised', student=None)), TypeError, 'made of parts'),
    ],
)
def test_bad_settings(change, error, message):
    if 'host' in change:
        change['host']['student'] = toy_segmentor_config()
    config = {'type': 'dts.DualTeacherStudent', 'host': self_training(), **change}
    with pytest.raises(error, match=message):
        MODELS.build(config)


@pytest.mark.parametrize('accumulative_counts', [1, 2])
def test_groups_one_after_the_other_give_the_same_step(accumulative_counts):
    host = self_training(dropout=0.3, masking=dict(block_size=4, color=False))
    runs = groups(host, sequential=True), groups(host)
    for run in runs:
        run.wrapper._accumulative_counts = accumulative_counts
        run.wrapper.initialize_count_status(run.method, 0, 4)
    for seed in range(4):
        ours, expected = (run.train(uda_batch(seed=seed)) for run in runs)
        assert ours.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(ours[key], value, msg=key)
    ours, expected = (run.method.state_dict() for run in runs)
    torch.testing.assert_close(ours, expected)
    assert runs[0].method.teachers.updates == runs[1].method.teachers.updates


def test_one_graph_at_a_time_is_held():
    """When the second group begins, the graph of the first is gone."""
    run = groups(self_training(), sequential=True)
    alive = []
    learn = run.method.host.learn

    def watched(student, halves):
        gradients = [weight.grad is not None for weight in run.method.student.parameters()]
        alive.append(all(gradients))
        return learn(student, halves)

    run.method.host.learn = watched
    run.train(uda_batch())
    assert alive == [False, True]


@pytest.mark.parametrize('student', ['student', 'student_2'])
def test_a_second_bank_of_a_group_is_refused(student):
    method = groups(self_training()).method
    bank = TeacherBank.from_student(method.student, ['teacher.0'])
    with pytest.raises(ValueError, match='two hooks own teachers of '):
        method.attach_teachers(bank, student)
