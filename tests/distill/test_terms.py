"""Entries of ``distill``: what they compute, and what is refused when the model is built."""

import pytest
import torch

from dts.distill.adapters import ConvAdapter
from dts.distill.losses.ifvd import IFVD
from dts.distill.losses.logit import LogitKD
from dts.distill.mask import valid_at
from dts.distill.taps import Tap
from dts.distill.terms import DistillTerm, build_terms

KD = dict(type='dts.LogitKD', temperature=2.0)


def labels(size=(8, 12)):
    drawn = torch.randint(0, 3, (2, *size))
    drawn[torch.rand(drawn.shape) < 0.2] = 255
    return drawn


def build(*configs, num_classes=3):
    return build_terms(configs, num_classes, 255)


@pytest.mark.parametrize('mask', ['nearest', 'all'])
def test_loss_of_adapted_maps_under_the_mask_of_the_labels(mask):
    adapter = dict(type='dts.ConvAdapter', in_channels=5, out_channels=3, resize='teacher')
    term = DistillTerm(KD, adapter=adapter, mask=mask)
    student, teacher, y = torch.randn(2, 5, 4, 6), torch.randn(2, 3, 2, 3), labels()
    convolution = ConvAdapter(5, 3, 'teacher')
    convolution.load_state_dict(term.adapter.state_dict())
    expected = LogitKD(2.0)(*convolution(student, teacher), valid_at(y, (4, 6), mask))
    assert torch.equal(term(student, teacher, y), expected)


def test_a_loss_that_needs_labels_gets_them():
    term = DistillTerm(dict(type='dts.IFVD', num_classes=3))
    student, teacher, y = torch.randn(2, 5, 4, 6), torch.randn(2, 5, 4, 6), labels()
    expected = IFVD(3)(student, teacher, valid_at(y, (4, 6)), y)
    assert torch.equal(term(student, teacher, y), expected)


def test_another_ignored_label_and_no_gradient_to_the_teacher():
    term = build_terms([dict(loss=KD)], 3, 2)['0']
    student, teacher = torch.randn(2, 3, 8, 12), torch.randn(2, 3, 8, 12).requires_grad_()
    y = labels().clamp_max(2)
    assert torch.equal(term(student, teacher, y), LogitKD(2.0)(student, teacher, y != 2))
    assert not term(student, teacher, y).requires_grad


def test_taps_and_weights_come_from_the_config():
    terms = build(
        dict(loss=KD),
        dict(loss=KD, weight=0),
        dict(
            loss=KD,
            student='backbone',
            student_index=3,
            teacher='neck',
            teacher_name='large',
            weight=dict(type='linear', start=0.0, end=10.0, iters=20),
        ),
    )
    assert list(terms) == ['0', '2']  # places in the config
    assert terms['0'].student_tap == terms['0'].teacher_tap == Tap('decode_head.conv_seg')
    assert not terms['0'].is_scheduled
    assert terms['2'].student_tap == Tap('backbone', 3)
    assert terms['2'].teacher_tap == Tap('neck')
    assert terms['2'].teacher_name == 'large'
    assert terms['2'].is_scheduled
    assert [terms['2'].weight(step) for step in (0, 5, 30)] == [0.0, 2.5, 10.0]


def test_an_entry_without_weight_draws_nothing():
    state = torch.get_rng_state()
    adapter = dict(type='dts.ConvAdapter', in_channels=5, out_channels=3)
    stopped = dict(type='piecewise', points=[(0, 0.0), (9, 0.0)])
    assert not build(dict(loss=KD, adapter=adapter, weight=0.0), dict(loss=KD, weight=stopped))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_skipped_term_is_a_zero_that_reaches_every_weight():
    term = DistillTerm(dict(type='dts.MGD', channels=2))
    zero = term.untouched(torch.randn(3))
    zero.backward()
    assert zero == 0
    assert all((parameter.grad == 0).all() for parameter in term.parameters())


@pytest.mark.parametrize(
    ('entry', 'text'),
    [
        (dict(), r"distill\[1\] has no 'loss', keys are loss, student"),
        (dict(loss=KD, wieght=1), r"distill\[1\] has unknown key 'wieght'"),
        (dict(loss=KD, ignore_index=0), r"distill\[1\] has unknown key 'ignore_index'"),
        (dict(loss=dict(type='dts.LogitKD', tau=2)), r"distill\[1\]: .*LogitKD.*'tau'"),
        (dict(loss=dict(type='dts.Logits')), r'distill\[1\]: .*dts.Logits'),
        (dict(loss=KD, weight=-1), r'distill\[1\]: weight must not be negative, got -1'),
        (dict(loss=KD, weight=dict(type='cosine')), r'distill\[1\]: a schedule is a number'),
        (dict(loss=KD, mask='any'), r"distill\[1\]: mask must be one of .*'any'"),
        (
            dict(loss=dict(type='dts.IFVD', num_classes=19)),
            r'^distill\[1\]\.loss has num_classes=19, the student 3: set num_classes=3 in distill',
        ),
        (
            dict(loss=dict(type='dts.BoundarySplitKD', ignore_index=0)),
            r'^distill\[1\]\.loss has ignore_index=0, the criterion 255: set ignore_index=255 in',
        ),
    ],
)
def test_mistakes_are_named_with_their_place(entry, text):
    with pytest.raises(ValueError, match=text):
        build(dict(loss=KD), entry)
