"""Steps of CPS against a loop written from its description; students meet in labels alone."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.checkpoints.contents import pack_model
from dts.evaluation.models import available_models
from dts.mixing.cutmix import HalfCutMix
from dts.registry import MODELS
from toys import strip_data, toy_batch, toy_segmentor_config

MIX = dict(type='dts.HalfCutMix')
STEPS, RATE = 6, 0.3


def build(dropout=0.0, **kwargs):
    torch.manual_seed(0)
    student = toy_segmentor_config(dropout=dropout)
    method = MODELS.build(dict(type='dts.CrossPseudoSupervision', student=student, **kwargs))
    with torch.no_grad():  # heads of MMSeg start near zero, where argmax is one class
        for one in method.students.values():
            one.decode_head.conv_seg.weight.normal_()
    return method.train()


def padded_batch(seed=0):
    """Two labelled and three unlabelled images, one of either with padding rows."""
    batch = toy_batch(num_unlabeled=3, seed=seed)
    for branch, rows in (('labeled', 12), ('unlabeled_weak', 10)):
        batch['inputs'][branch][0] = batch['inputs'][branch][0][:, :rows]
    sample = batch['data_samples']['labeled'][0]
    sample.gt_sem_seg = PixelData(data=sample.gt_sem_seg.data[:, :12])
    return batch


def losses_of(method, batch=None):
    data = method.data_preprocessor(batch or padded_batch(), training=True)
    torch.manual_seed(5)
    return data, method(**data, mode='loss')


class DoublePreprocessor(nn.Module):
    """The preprocessor of a method, in double precision."""

    def __init__(self, wrapped):
        super().__init__()
        self.wrapped = wrapped

    def forward(self, data, training=False):
        data = self.wrapped(data, training)
        data['inputs'] = {name: images.double() for name, images in data['inputs'].items()}
        return data


def scores(network, images):
    return network.decode_head(network.extract_feat(images))


def mean_ce(logits, labels):
    """Mean cross entropy over the pixels that are not 255."""
    logs = logits - logits.exp().sum(1, keepdim=True).log()
    b, r, c = (labels != 255).nonzero().T
    return -logs[b, labels[b, r, c], r, c].sum() / len(b)


def cps_loss(students, data, weight, with_mix):
    x, u = data['inputs']['labeled'], data['inputs']['unlabeled_weak']
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['labeled']])
    pad_x, pad_u = torch.zeros(2, 16, 16).bool(), torch.zeros(3, 16, 16).bool()
    pad_x[0, 12:], pad_u[0, 10:] = True, True
    if not with_mix:
        z = [scores(student, torch.cat([x, u])) for student in students]
        labels = [one.detach().argmax(1) for one in z]
        for one in labels:
            one[torch.cat([pad_x, pad_u])] = 255
        crossed = z
    else:
        labels = [scores(student, u).detach().argmax(1) for student in students]
        for one in labels:
            one[pad_u] = 255
        unmixed, mixed = [one.clone() for one in labels], u.clone()
        for b, r, c in HalfCutMix()(labels[0], 3).mask.nonzero().tolist():
            other = (b + 1) % 3
            mixed[b, :, r, c] = u[other, :, r, c]
            for one, plain in zip(labels, unmixed, strict=True):
                one[b, r, c] = plain[other, r, c]
        z = [scores(student, torch.cat([x, mixed])) for student in students]
        crossed = [one[2:] for one in z]
    supervised = sum(mean_ce(one[:2], y) for one in z)
    cross = mean_ce(crossed[0], labels[1]) + mean_ce(crossed[1], labels[0])
    valid = labels[0] != 255
    differ = float((labels[0] != labels[1])[valid].double().mean())
    return supervised + weight * cross, differ


@pytest.mark.slow
@pytest.mark.parametrize('with_mix', [False, True])
def test_steps_equal_the_loop(with_mix):
    options = dict(cross_weight=0.7, mix=MIX) if with_mix else {}
    method = build(dropout=0.3, **options).double()
    method.data_preprocessor = DoublePreprocessor(method.data_preprocessor)
    wrapper = OptimWrapper(torch.optim.SGD(method.parameters(), lr=RATE))
    students = [copy.deepcopy(student) for student in method.students.values()]
    for step in range(STEPS):
        batch = padded_batch(seed=step)
        data = method.data_preprocessor(copy.deepcopy(batch), training=True)
        torch.manual_seed(step)
        loss, differ = cps_loss(students, data, 0.7 if with_mix else 1.5, with_mix)
        weights = [weight for student in students for weight in student.parameters()]
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(RATE * gradient)
        torch.manual_seed(step)
        logged = method.train_step(batch, wrapper)
        torch.testing.assert_close(logged['loss'], loss.detach(), rtol=1e-9, atol=1e-9)
        assert float(logged['stat_students_disagree']) == pytest.approx(differ)
        assert 0.02 < differ < 0.98
        for ours, expected in zip(method.students.values(), students, strict=True):
            torch.testing.assert_close(
                ours.state_dict(), expected.state_dict(), rtol=1e-9, atol=1e-9
            )


@pytest.mark.parametrize('mix', [None, MIX])
def test_a_student_learns_nothing_through_the_labels_that_it_gives(mix):
    method = build(mix=mix)
    _, losses = losses_of(method)
    own = {'': method.student, '_2': method.student_2}
    for suffix, student in own.items():
        other = own['_2' if suffix == '' else '']
        for key in (f'cross{suffix}.loss_ce', f'sup{suffix}.decode.loss_ce'):
            gradients = torch.autograd.grad(
                losses[key],
                [*student.parameters(), *other.parameters()],
                retain_graph=True,
                allow_unused=True,
            )
            half = len(gradients) // 2
            assert all(gradient.abs().sum() > 0 for gradient in gradients[:half][-2:])
            assert gradients[half:] == (None,) * half


def test_labels_are_those_of_the_other_student():
    method = build()
    with torch.no_grad():  # the second one names class 2 everywhere
        method.student_2.decode_head.conv_seg.weight.zero_()
        method.student_2.decode_head.conv_seg.bias.copy_(torch.tensor([-9.0, -9.0, 9.0]))
    data, losses = losses_of(method, toy_batch())
    images = torch.cat([data['inputs']['labeled'], data['inputs']['unlabeled_weak']])
    first = torch.log_softmax(scores(method.student, images), 1)
    torch.testing.assert_close(losses['cross.loss_ce'], -1.5 * first[:, 2].mean())
    second = torch.log_softmax(torch.tensor([-9.0, -9.0, 9.0]), 0)
    expected = -1.5 * second[first.argmax(1)].mean()
    torch.testing.assert_close(losses['cross_2.loss_ce'], expected)


def test_students_start_with_heads_of_their_own_and_the_same_backbone_weights():
    config = dict(type='dts.CrossPseudoSupervision', student=toy_segmentor_config())
    method = MODELS.build(config)
    ours = {'student': method.student, 'student_2': method.student_2}
    assert method.students == ours
    built = [one.decode_head.conv_seg.weight.detach() for one in ours.values()]
    assert not torch.isclose(*built).any()  # heads that no init_cfg reaches differ too
    for student in ours.values():
        student.backbone.init_cfg = dict(type='Constant', layer='Conv2d', val=0.25)
    method.init_weights()
    first, second = ours.values()
    assert bool((first.backbone.conv.weight == 0.25).all())
    assert torch.equal(first.backbone.conv.weight, second.backbone.conv.weight)
    heads = [one.decode_head.conv_seg.weight for one in ours.values()]
    assert all(0.001 < float(head.detach().std()) < 0.05 for head in heads)  # MMSeg's 0.01
    assert not torch.isclose(heads[0], heads[1]).any()
    shared = {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    assert not shared
    names = {name.partition('.')[0] for name, _ in method.named_parameters()}
    assert names == {'student', 'student_2'}
    for one in ours.values():
        assert one.backbone.conv.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('product', ['student', 'student_2'])
def test_checkpoint_of_each_student_opens_as_a_stock_segmentor(product):
    method = build()
    checkpoint = {'state_dict': method.state_dict()}
    pack_model(checkpoint, method, product)
    stock = MODELS.build(toy_segmentor_config())
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    images = torch.randn(1, 3, 16, 16)
    expected = scores(method.students[product].eval(), images)
    torch.testing.assert_close(scores(stock.eval(), images), expected)
    assert list(available_models(method)) == ['student', 'student_2', 'mean']


def test_hidden_labels_change_a_statistic_only():
    method, batch, hidden = build(), toy_batch(), toy_batch()
    for sample, labeled in zip(
        hidden['data_samples']['unlabeled_weak'], hidden['data_samples']['labeled'], strict=True
    ):
        sample.gt_sem_seg = labeled.gt_sem_seg.clone()
    _, without = losses_of(method, batch)
    data, known = losses_of(method, hidden)
    truth = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['unlabeled_weak']])
    images = torch.cat([data['inputs']['labeled'], data['inputs']['unlabeled_weak']])
    said = scores(method.student, images)[2:].argmax(1)
    expected = (said == truth).float().mean()
    torch.testing.assert_close(known.pop('stat_pseudo_accuracy'), expected)
    torch.testing.assert_close(known, without)


def test_overfitting_one_batch_lowers_the_loss():
    method = build()
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters(), lr=0.01))
    values = [method.train_step(toy_batch(), wrapper)['loss'].item() for _ in range(8)]
    assert values[-1] < 0.9 * values[0]


@pytest.mark.slow
@pytest.mark.parametrize('mix', [None, MIX, dict(type='dts.ClassMix')])
def test_step_runs_on_tensors_without_data(mix):
    criterion = dict(type='dts.CrossEntropy', class_weight=[1.0, 2.0, 3.0])
    method = build(dropout=0.3, mix=mix, criterion=criterion).to('meta')
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    batch = toy_batch()
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(batch)
        logged = method.train_step(batch, wrapper)
    assert all(value.device.type == 'meta' for value in logged.values())


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match='cross_weight must be a number >= 0, got -1'):
        build(cross_weight=-1)
