"""What all distillation losses promise: mask, mean, precision, symmetries."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.distill.losses.maps import masked_mean, prepare
from dts.registry import MODELS

K, SIZE = 5, (4, 6)
LOSSES = {
    'kd': dict(type='dts.LogitKD', temperature=2.0),
    'cwd': dict(type='dts.ChannelWiseKD', temperature=2.0),
    'cgd': dict(type='dts.ChannelWiseKD', temperature=2.0, group_size=2),
    'cgd_all': dict(type='dts.ChannelWiseKD', temperature=2.0, group_size=9),
    'dist': dict(type='dts.DIST', temperature=1.5, inter_weight=0.7),
    'mse': dict(type='dts.FeatureMSE'),
    'at': dict(type='dts.AttentionTransfer'),
    'mgd': dict(type='dts.MGD', channels=K, mask_ratio=0.3),
    'ifvd': dict(type='dts.IFVD', num_classes=3),
    'jaccard': dict(type='dts.JaccardMetricLoss', smooth=0.0),
    'jaccard_image': dict(type='dts.JaccardMetricLoss', counts='image', classes='all'),
    'jaccard_class': dict(type='dts.JaccardMetricLoss', counts='class', smooth=0.0),
    'jaccard_labels': dict(type='dts.JaccardMetricLoss', target='labels', alpha=0.5, smooth=0.0),
    'boundary': dict(type='dts.BoundarySplitKD', radius=1),
}
every_loss = pytest.mark.parametrize('name', LOSSES)


def every_loss_but(*names):
    return pytest.mark.parametrize('name', [name for name in LOSSES if name not in names])


def scorer(name, dtype=torch.float64):
    """Return loss(student, teacher, valid, labels), whatever the loss takes; draws are fixed."""
    torch.manual_seed(3)
    module = MODELS.build(LOSSES[name]).to(dtype)

    def score(student, teacher, valid, labels):
        torch.manual_seed(4)
        extra = (labels,) if getattr(module, 'needs_labels', False) else ()
        return module(student, teacher, valid, *extra)

    return score


def maps(dtype=torch.float64, channels=K, batch=3):
    """Student, teacher, mask and labels; 255 and the mask exclude different pixels."""
    student, teacher = torch.randn(2, batch, channels, *SIZE, dtype=torch.float64).to(dtype)
    valid = torch.rand(batch, *SIZE) > 0.3
    labels = torch.randint(0, min(channels, 3), (batch, *SIZE))
    labels[torch.rand(labels.shape) < 0.1] = 255
    return student.requires_grad_(), teacher, valid & (labels != 255), labels


@every_loss
def test_nothing_valid_gives_zero_with_zero_gradient(name):
    student, teacher, valid, labels = maps()
    loss = scorer(name)(student, teacher, torch.zeros_like(valid), labels)
    (gradient,) = torch.autograd.grad(loss, student)
    assert loss == 0
    assert (gradient == 0).all()


@every_loss_but('mgd')  # draws of MGD depend on the size of the batch
def test_images_without_a_valid_pixel_change_nothing(name):
    student, teacher, valid, labels = maps()
    more = [torch.cat([m.detach(), torch.randn_like(m[:2])]) for m in (student, teacher)]
    hidden = torch.cat([valid, torch.zeros_like(valid[:2])])
    score = scorer(name)
    actual = score(*more, hidden, torch.cat([labels, labels[:2]]))
    torch.testing.assert_close(actual, score(student, teacher, valid, labels).detach())


@every_loss
@pytest.mark.parametrize('value', [1e6, math.inf, math.nan])
def test_whatever_an_invalid_pixel_holds_changes_nothing(name, value):
    student, teacher, valid, labels = maps()
    score = scorer(name)
    expected = score(student, teacher, valid, labels)
    (gradient,) = torch.autograd.grad(expected, student)
    assert (gradient[~valid[:, None].expand_as(gradient)] == 0).all()
    assert gradient.abs().sum() > 0
    spoiled_student = student.detach().masked_fill(~valid[:, None], value).requires_grad_()
    spoiled_teacher = teacher.masked_fill(~valid[:, None], -value)
    actual = score(spoiled_student, spoiled_teacher, valid, labels)
    assert torch.equal(actual, expected)
    assert torch.equal(torch.autograd.grad(actual, spoiled_student)[0], gradient)


@every_loss_but('mgd', 'jaccard_labels')  # not a distance between the two maps
def test_equal_maps_give_zero_with_zero_gradient(name):
    student, _, valid, labels = maps()
    loss = scorer(name)(student, student.detach().clone(), valid, labels)
    (gradient,) = torch.autograd.grad(loss, student)
    assert loss.abs() < 1e-14
    assert gradient.abs().max() < 1e-9


@every_loss
def test_no_mask_counts_every_pixel(name):
    student, teacher, valid, labels = maps()
    labels = labels.clamp_max(2)
    score = scorer(name)
    everywhere = score(student, teacher, torch.ones_like(valid), labels)
    assert torch.equal(score(student, teacher, None, labels), everywhere)
    assert not torch.equal(score(student, teacher, valid, labels), everywhere)


@every_loss_but('mgd', 'boundary')  # neighbours matter
def test_order_of_pixels_does_not_matter(name):
    arguments = maps()
    order = torch.randperm(SIZE[0] * SIZE[1])
    permuted = [m.flatten(-2)[..., order].view(m.shape) for m in arguments]
    score = scorer(name)
    torch.testing.assert_close(score(*permuted), score(*arguments))


@every_loss_but('mgd', 'cgd')  # channels have places
def test_order_of_channels_does_not_matter(name):
    student, teacher, valid, labels = maps()
    order = torch.tensor([3, 0, 4, 2, 1])
    place = torch.cat([order.argsort(), torch.full((251,), 255)])
    moved = place[labels] if name == 'jaccard_labels' else labels
    score = scorer(name)
    actual = score(student[:, order], teacher[:, order], valid, moved)
    torch.testing.assert_close(actual, score(student, teacher, valid, labels))


def test_groups_of_channels_have_places():
    student, teacher, valid, labels = maps()
    score, order = scorer('cgd'), [3, 0, 4, 2, 1]
    moved = score(student[:, order], teacher[:, order], valid, labels)
    assert (moved - score(student, teacher, valid, labels)).abs() > 1e-4


@pytest.mark.parametrize(
    ('name', 'shape'),
    [
        ('kd', (3, 1, *SIZE)),
        ('dist', (3, 1, *SIZE)),
        ('jaccard', (3, 1, *SIZE)),
        ('cwd', (3, K, 1, 1)),
        ('cgd_all', (3, 1, 1, 1)),
    ],
)
def test_softmax_forgets_a_constant(name, shape):
    student, teacher, valid, labels = maps()
    shift, other = torch.randn(2, *shape, dtype=torch.float64)
    score = scorer(name)
    actual = score(student + shift, teacher + other, valid, labels)
    torch.testing.assert_close(actual, score(student, teacher, valid, labels))


@every_loss_but('mgd')  # draws of MGD depend on the size of the batch
def test_mean_does_not_depend_on_the_batch_size(name):
    arguments = maps()
    score = scorer(name)
    twice = score(*(torch.cat([m, m]) for m in arguments))
    torch.testing.assert_close(twice, score(*arguments), rtol=1e-6, atol=0)


@pytest.mark.slow
@pytest.mark.grad
@every_loss
def test_gradient_is_exact(name):
    student, teacher, valid, labels = maps(batch=1)
    score = scorer(name)
    assert torch.autograd.gradcheck(lambda s: score(s, teacher, valid, labels), student)


@every_loss
def test_teacher_gets_no_gradient(name):
    student, teacher, valid, labels = maps()
    teacher.requires_grad_()
    scorer(name)(student, teacher, valid, labels).backward()
    assert teacher.grad is None


@every_loss
@pytest.mark.parametrize('channels', [1, 2, 19, 171])
@pytest.mark.parametrize('scale', [0.0, 1.0, 1e4])
def test_any_number_of_channels_and_any_scale_is_finite(name, channels, scale):
    student, teacher, valid, labels = maps(torch.float32, channels, batch=1)
    if name == 'mgd':
        module = MODELS.build(dict(LOSSES[name], channels=channels))
        loss = module(student * scale, teacher, valid)
    else:
        loss = scorer(name, torch.float32)(student * scale, teacher, valid, labels)
    (gradient,) = torch.autograd.grad(loss, student)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@every_loss
def test_bfloat16_maps_under_autocast_are_scored_in_float32(name):
    student, teacher, valid, labels = maps(torch.bfloat16)
    score = scorer(name, torch.float32)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        actual = score(student, teacher, valid, labels)
    assert actual.dtype == torch.float32
    expected = score(student.float(), teacher.float(), valid, labels)
    # The generator of MGD is a network and runs in half precision.
    tolerance = 0.02 if name == 'mgd' else 1e-5
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=1e-6)


@pytest.mark.slow
@every_loss
def test_no_value_is_asked_from_the_device(name):
    arguments = maps(torch.float32)
    module = MODELS.build(LOSSES[name]).to('meta')
    with FakeTensorMode(allow_non_fake_inputs=True):
        student, teacher, valid, labels = (m.detach().to('meta') for m in arguments)
        student.requires_grad_()
        extra = (labels,) if getattr(module, 'needs_labels', False) else ()
        loss = module(student, teacher, valid, *extra)
        loss.backward()
    assert student.grad.device.type == 'meta'


def test_mean_over_the_valid():
    values = torch.tensor([1.0, 2.0, 6.0, math.nan])
    assert masked_mean(values, torch.tensor([True, False, True, False])) == 3.5


def test_sizes_that_do_not_agree_are_named():
    with pytest.raises(ValueError, match=r'student is \(1, 2, 4, 4\), that of the teacher \(1, 3'):
        prepare(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 4))
    with pytest.raises(
        ValueError, match=r'1, 3, 8, 8\); this loss compares .* any channels and one'
    ):
        prepare(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 8, 8), any_channels=True)
    with pytest.raises(ValueError, match=r'output of the teacher is \(1, 16, 3\), which is no map'):
        prepare(torch.zeros(1, 3, 4, 4), torch.zeros(1, 16, 3))
    with pytest.raises(ValueError, match=r'valid is \(1, 8, 8\), maps of this size ask for'):
        prepare(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), torch.ones(1, 8, 8).bool())
    for name in ('LogitKD', 'ChannelWiseKD', 'DIST', 'JaccardMetricLoss'):
        with pytest.raises(ValueError, match='temperature must be positive, got 0'):
            MODELS.build(dict(type=f'dts.{name}', temperature=0))


@pytest.mark.parametrize(
    ('name', 'argument'),
    [
        ('DIST', 'inter_weight'),
        ('DIST', 'intra_weight'),
        ('JaccardMetricLoss', 'alpha'),
        ('JaccardMetricLoss', 'beta'),
        ('JaccardMetricLoss', 'smooth'),
        ('BoundarySplitKD', 'edge_weight'),
        ('BoundarySplitKD', 'body_weight'),
    ],
)
@pytest.mark.parametrize('value', [-0.5, math.nan])
def test_negative_weights_and_smoothing_are_refused(name, argument, value):
    with pytest.raises(ValueError, match=f'{argument} must be a number >= 0, got {value}'):
        MODELS.build({'type': f'dts.{name}', argument: value})
    MODELS.build({'type': f'dts.{name}', argument: 0.0})


def test_losses_need_classes_and_channels():
    with pytest.raises(ValueError, match='num_classes must be at least 1, got 0'):
        MODELS.build(dict(type='dts.IFVD', num_classes=0))
    with pytest.raises(ValueError, match='channels must be at least 1, got 0'):
        MODELS.build(dict(type='dts.MGD', channels=0))
