"""One step of distillation against its parts, between networks that differ in everything."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.distill.losses.channel_wise import ChannelWiseKD
from dts.distill.mask import valid_at
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from dts.teachers.frozen import FrozenTeacher
from runs import small_segformer
from toys import strip_data, toy_batch, toy_segmentor_config

SIZE = (64, 64)
CWD = dict(type='dts.ChannelWiseKD', temperature=2.0)
LOGITS = dict(loss=CWD, adapter=dict(type='dts.ResizeAdapter', resize='teacher'), weight=3.0)
FEATURES = dict(
    student='backbone',
    student_index=0,
    teacher='backbone',
    teacher_index=3,
    adapter=dict(type='dts.ConvAdapter', in_channels=8, out_channels=16),
    loss=dict(type='dts.FeatureMSE'),
    weight=0.5,
)
# Every loss and adapter, between a map of 64x64 with 8 channels and one of 2x2 with 16.
EVERYTHING = [
    LOGITS,
    FEATURES,
    *(
        dict(FEATURES, loss=loss)
        for loss in (
            dict(type='dts.AttentionTransfer'),
            dict(type='dts.MGD', channels=16),
            dict(type='dts.IFVD', num_classes=3),
        )
    ),
    dict(FEATURES, adapter=dict(FEATURES['adapter'], type='dts.KANAdapter')),
    *(
        dict(LOGITS, loss=loss)
        for loss in (
            dict(type='dts.LogitKD'),
            dict(type='dts.ChannelWiseKD', group_size=2, shuffle=True),
            dict(type='dts.DIST'),
            dict(type='dts.JaccardMetricLoss'),
            dict(type='dts.JaccardMetricLoss', target='labels'),
            dict(type='dts.BoundarySplitKD'),
        )
    ),
]


def student_config(dropout=0.5):
    config = toy_segmentor_config(dropout=dropout)
    head = config.decode_head
    config.auxiliary_head = dict(head, loss_decode=dict(head.loss_decode, loss_weight=0.4))
    return config


def segformer():
    config = small_segformer(drop=0.3)
    config.data_preprocessor = toy_segmentor_config().data_preprocessor
    return MODELS.build(config)


def build(*distill, teachers=('teacher',), **kwargs):
    torch.manual_seed(2)
    method = MODELS.build(
        dict(type='dts.Distillation', student=student_config(), distill=list(distill), **kwargs)
    ).train()
    bank = TeacherBank({n: FrozenTeacher(segformer(), method.student, {}) for n in teachers})
    method.attach_teachers(bank)
    return method


def batch():
    made = toy_batch(num_unlabeled=0, size=SIZE)
    for sample in made['data_samples']['labeled']:
        sample.gt_sem_seg.data[:, :20] = 255
    return made


def losses_of(method):
    torch.manual_seed(5)
    return method(**method.data_preprocessor(batch(), training=True), mode='loss')


def test_loss_is_the_sum_of_its_parts():
    method = build(LOGITS, FEATURES)
    losses = losses_of(method)
    assert list(losses) == [
        'sup.decode.loss_ce',
        'sup.aux.loss_ce',
        'distill.0.loss_kd',
        'distill.1.loss_kd',
        'distill.0.stat_share',
        'distill.1.stat_share',
    ]
    data = method.data_preprocessor(batch(), training=True)
    images = data['inputs']['labeled']
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    student, teacher = method.student, method.teachers['teacher'].segmentor
    torch.manual_seed(5)
    (features,) = student.backbone(images)
    levels = teacher.backbone(images)
    scores, scores_teacher = student.decode_head([features]), teacher.decode_head(levels)
    upsampled = torch.nn.functional.interpolate(scores_teacher, SIZE, mode='bilinear')
    expected = 3 * ChannelWiseKD(2.0)(scores, upsampled, y != 255)
    torch.testing.assert_close(losses['distill.0.loss_kd'], expected)

    projected = method.terms['1'].adapter.conv(features)
    small = torch.nn.functional.interpolate(projected, (2, 2), mode='bilinear')
    valid = valid_at(y, (2, 2))
    assert valid.tolist() == [[[False, False], [True, True]]] * 2
    error = (small - levels[3]).square().movedim(1, -1)[valid].mean()
    torch.testing.assert_close(losses['distill.1.loss_kd'], 0.5 * error)

    total = sum(value for key, value in losses.items() if 'loss_' in key)
    torch.testing.assert_close(method.parse_losses(losses)[0], total)
    shares = [losses[f'distill.{i}.stat_share'] * total for i in (0, 1)]
    torch.testing.assert_close(shares, [losses[f'distill.{i}.loss_kd'] for i in (0, 1)])


def state_after(method, steps=2):
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.01))
    torch.manual_seed(6)
    for _ in range(steps):
        method.train_step(batch(), wrapper)
    return method.student.state_dict()


def test_zero_weight_is_the_supervised_run_bitwise():
    torch.manual_seed(2)
    plain = MODELS.build(dict(type='dts.Supervised', student=student_config())).train()
    expected = state_after(plain)
    torch.manual_seed(2)
    off = MODELS.build(
        dict(
            type='dts.Distillation',
            student=student_config(),
            distill=[dict(term, weight=0.0) for term in EVERYTHING],
        )
    ).train()  # without a teacher: none is asked for
    actual = state_after(off)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)
    on = state_after(build(LOGITS))
    assert on.keys() == expected.keys()
    assert not torch.equal(on['backbone.conv.weight'], expected['backbone.conv.weight'])


@pytest.mark.parametrize('avg_non_ignore', [False, True])
def test_zero_weight_is_a_run_of_stock_mmseg_bitwise(avg_non_ignore):
    """Its own segmentor, losses and ``train_step``, ignored pixels and an auxiliary head in it."""
    config = student_config()
    for head in (config.decode_head, config.auxiliary_head):
        head.loss_decode = dict(head.loss_decode, avg_non_ignore=avg_non_ignore)
    states = []
    for kind in ('stock', 'distilled'):
        torch.manual_seed(2)
        if kind == 'stock':
            segmentor = model = MODELS.build(config).train().to(memory_format=torch.channels_last)
        else:
            criterion = dict(type='dts.CrossEntropy', avg_non_ignore=avg_non_ignore)
            off = [dict(LOGITS, weight=0.0)]
            model = MODELS.build(
                dict(type='dts.Distillation', student=config, criterion=criterion, distill=off)
            ).train()
            segmentor = model.student
        wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=0.01))
        torch.manual_seed(6)
        for _ in range(3):
            data = batch()
            if kind == 'stock':
                data = {part: values['labeled'] for part, values in data.items()}
            model.train_step(data, wrapper)
        states.append(segmentor.state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def test_a_term_does_nothing_while_its_schedule_is_at_zero():
    schedule = dict(type='piecewise', points=[(2, 0.0), (4, 1.0), (8, 1.0), (8, 0.0)])
    method = build(dict(LOGITS, weight=schedule), dict(EVERYTHING[3], weight=schedule))
    calls = []
    method.teachers['teacher'].segmentor.backbone.register_forward_hook(lambda *_: calls.append(1))
    values = {}
    for iteration in (0, 2, 3, 4, 7, 8, 50):
        method.teachers.iteration = iteration
        values[iteration] = losses_of(method)
        state = torch.get_rng_state()
        method.parse_losses(values[iteration])[0].backward()
        assert all(parameter.grad is not None for parameter in method.parameters())
        assert torch.equal(torch.get_rng_state(), state)
    assert len(calls) == 3  # iterations 3, 4 and 7
    for iteration in (0, 2, 8, 50):
        assert values[iteration]['distill.0.loss_kd'] == 0
        assert values[iteration]['distill.1.loss_kd'] == 0
    full = values[4]['distill.0.loss_kd']
    assert full > 0
    torch.testing.assert_close(values[3]['distill.0.loss_kd'], full / 2, rtol=0.1, atol=0)

    method.teachers.iteration = None
    with pytest.raises(RuntimeError, match=r'distill\[0\].weight follows a schedule, but no hook'):
        losses_of(method)


def test_zero_scheduled_steps_leave_the_random_numbers_of_dropout_alone():
    torch.manual_seed(2)
    plain = MODELS.build(dict(type='dts.Supervised', student=student_config())).train()
    method = build(dict(EVERYTHING[3], weight=dict(type='linear', start=0.0, end=1.0, iters=9)))
    method.student.load_state_dict(plain.student.state_dict())
    method.teachers.iteration = 0
    expected, actual = losses_of(plain), losses_of(method)
    assert torch.equal(actual['sup.decode.loss_ce'], expected['sup.decode.loss_ce'])


def test_a_student_that_is_its_teacher_learns_nothing_from_it():
    method = MODELS.build(
        dict(type='dts.Distillation', student=student_config(), distill=[dict(loss=CWD)])
    ).train()
    method.student.eval()
    teacher = FrozenTeacher(MODELS.build(student_config()), method.student, {})
    teacher.segmentor.load_state_dict(method.student.state_dict())
    method.attach_teachers(TeacherBank({'teacher': teacher}))
    loss = losses_of(method)['distill.0.loss_kd']
    loss.backward()
    assert loss.abs() < 1e-6
    gradients = [p.grad for p in method.student.parameters() if p.grad is not None]
    assert max(g.abs().max() for g in gradients) < 1e-6


def test_teachers_look_at_their_own_view_and_the_student_at_its_own():
    method = build(LOGITS, teacher_branch='labeled_weak')
    seen = []
    for network in (method.student, method.teachers['teacher'].segmentor):
        network.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    two_views = batch()
    for part, change in (
        ('inputs', lambda image: 255 - image),
        ('data_samples', lambda s: s.clone()),
    ):
        two_views[part]['labeled_weak'] = [change(value) for value in two_views[part]['labeled']]
    data = method.data_preprocessor(two_views, True)
    method.loss(**data)
    assert torch.equal(seen[0], data['inputs']['labeled_weak'])
    assert torch.equal(seen[1], data['inputs']['labeled'])
    assert not torch.equal(seen[0], seen[1])

    torch.manual_seed(0)
    by_view = float(method.loss(**data)['distill.0.loss_kd'])
    method.teacher_branch = 'labeled'
    torch.manual_seed(0)
    assert float(method.loss(**data)['distill.0.loss_kd']) != by_view


@pytest.mark.parametrize(
    ('view', 'text'),
    [
        (None, r"teacher_branch is 'labeled_weak', the pipelines make \['labeled'\]: add it to"),
        (torch.zeros(2, 3, 8, 8), r'labeled_weak has the shape \(2, 3, 8, 8\), labeled \(2, 3, 64'),
    ],
)
def test_a_view_that_is_not_there_or_of_another_size_is_refused(view, text):
    method = build(LOGITS, teacher_branch='labeled_weak')
    data = method.data_preprocessor(batch(), True)
    if view is not None:
        data['inputs']['labeled_weak'] = view
    with pytest.raises(ValueError, match=text):
        method.loss(**data)


def test_each_teacher_runs_once_and_only_when_it_is_asked():
    method = build(
        dict(LOGITS, teacher_name='a'),
        dict(FEATURES, teacher_name='a'),
        dict(LOGITS, teacher_name='b', weight=1.0),
        teachers=('idle', 'a', 'b'),
    )
    runs = []
    for name in ('idle', 'a', 'b'):
        backbone = method.teachers[name].segmentor.backbone
        backbone.register_forward_hook(lambda *_, name=name: runs.append(name))
    losses = losses_of(method)
    assert runs == ['a', 'b']
    assert not torch.equal(losses['distill.0.loss_kd'], 3 * losses['distill.2.loss_kd'])


@pytest.mark.slow
def test_teacher_stays_as_it_is_and_adapters_are_trained_beside_the_student():
    method = build(*EVERYTHING)
    teacher = method.teachers['teacher']
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    adapter = method.terms['1'].adapter.conv.weight.clone()
    method.train()
    state_after(method)
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert not any(module.training for module in teacher.modules())
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert not torch.equal(method.terms['1'].adapter.conv.weight, adapter)
    parts = {name.partition('.')[0] for name in method.state_dict()}
    assert parts == {'student', 'terms'}


@pytest.mark.slow
def test_overfitting_one_batch_lowers_every_distance():
    method = build(LOGITS, FEATURES)
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.01))
    values = [method.train_step(batch(), wrapper) for _ in range(12)]
    for key in ('distill.0.loss_kd', 'distill.1.loss_kd'):
        assert values[-1][key] < 0.9 * values[0][key]


def test_nothing_is_learned_where_everything_is_ignored():
    method = build(*EVERYTHING)
    data = method.data_preprocessor(batch(), training=True)
    for sample in data['data_samples']['labeled']:
        sample.gt_sem_seg.data[:] = 255
    total, _ = method.parse_losses(method(**data, mode='loss'))
    total.backward()
    assert total == 0
    assert all(p.grad is None or not p.grad.any() for p in method.parameters())


def test_step_under_bfloat16_autocast_is_finite():
    method = build(*EVERYTHING)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = losses_of(method)
    total, _ = method.parse_losses(losses)
    total.backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(p.grad.isfinite().all() for p in method.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    'distill', [[LOGITS, FEATURES], pytest.param(EVERYTHING, marks=pytest.mark.slow)]
)
def test_step_runs_on_tensors_without_data(distill):
    method = build(*distill).to('meta')
    method.teachers['teacher'].to('meta')
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    data = batch()
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(data)
        logged = method.train_step(data, wrapper)
    assert all(value.device.type == 'meta' for value in logged.values())


def test_wrong_taps_and_teachers_are_refused_before_the_first_step():
    with pytest.raises(ValueError, match=r"student of distill\[1\] has no module 'neck'"):
        build(LOGITS, dict(LOGITS, student='neck'))
    with pytest.raises(ValueError, match=r"teacher of distill\[0\] has no module 'decode_head.a'"):
        build(dict(LOGITS, teacher='decode_head.a'))
    with pytest.raises(ValueError, match=r"distill\[0\].teacher_name is 'b', the teachers are"):
        build(dict(LOGITS, teacher_name='b'))
    with pytest.raises(RuntimeError, match='has no teacher'):
        losses_of(
            MODELS.build(dict(type='dts.Distillation', student=student_config(), distill=[LOGITS]))
        )
    method = build(LOGITS)
    message = (
        r"two hooks own teachers .*'teacher'.* and .*'big'.*: leave one of them .* name several"
    )
    with pytest.raises(ValueError, match=message):
        method.attach_teachers(TeacherBank({'big': method.teachers['teacher']}))


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (dict(adapter=None), r'student is \(2, 8, .* add adapter=dict'),
        (
            dict(adapter=dict(FEATURES['adapter'], in_channels=9)),
            r'student has 8 channels, .*=9: set',
        ),
        (
            dict(adapter=dict(FEATURES['adapter'], type='dts.KANAdapter', out_channels=8)),
            r'teacher has 16 channels, the adapter out_channels=8: set adapter\.out_channels=16',
        ),
        (
            dict(loss=dict(type='dts.MGD', channels=8)),
            r'have 16 channels, .*=8: set loss.channels=',
        ),
        (
            dict(teacher='backbone.layers.0.1.0.attn.attn', teacher_index=0),
            r'output of the teacher is \(256, 2, 8\), which is no map \(B, C, h, w\): teacher=',
        ),
    ],
)
def test_maps_that_do_not_fit_are_named_with_their_place(change, text):
    with pytest.raises(ValueError, match=rf'^distill\[1\]: .*{text}'):
        losses_of(build(LOGITS, dict(FEATURES, **change)))
