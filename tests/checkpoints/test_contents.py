from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import pytest
import torch

from dts.checkpoints.contents import (
    check_streams,
    pack_model,
    pack_run,
    unpack_run,
    unpack_weights,
)
from dts.methods.mean_teacher import MeanTeacher
from dts.teachers.bank import TeacherBank
from toys import toy_segmentor_config

STREAMS = {'seed': 1, 'global_batch': {'labeled': 4}, 'lengths': {'labeled': 11}}


def _method(fill: float, teacher_fill: float | None = None) -> MeanTeacher:
    """Method whose student (and teacher) are constant, with one buffer of its own."""
    method = MeanTeacher(toy_segmentor_config(3))
    method.register_buffer('class_statistics', torch.full((3,), fill))
    for tensor in method.student.state_dict().values():
        tensor.fill_(fill)
    if teacher_fill is not None:
        bank = TeacherBank.from_student(method.student, ['teacher'])
        for tensor in bank['teacher'].segmentor.state_dict().values():
            tensor.fill_(teacher_fill)
        bank['teacher'].updates = 7
        method.attach_teachers(bank)
    return method


def _checkpoint(method: MeanTeacher) -> dict[str, Any]:
    """What MMEngine collects before the hooks."""
    state = copy.deepcopy(method.state_dict())
    return dict(meta=dict(iter=9), state_dict=state, message_hub={}, optimizer={})


def _values(state: dict[str, torch.Tensor]) -> set[float]:
    return {value for tensor in state.values() for value in tensor.flatten().tolist()}


def _load(method: MeanTeacher, checkpoint: dict[str, Any]) -> MeanTeacher:
    method.load_state_dict(checkpoint['state_dict'], strict=True)
    return method


@pytest.mark.parametrize(('product', 'fill'), [('student', 2.0), ('teacher', 5.0)])
def test_state_dict_is_the_product_with_plain_names(product: str, fill: float) -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_model(checkpoint, method, product)
    assert list(checkpoint['state_dict']) == list(method.student.state_dict())
    assert _values(checkpoint['state_dict']) == {fill}
    assert checkpoint['dts'] == {'version': 1, 'product': product}


@pytest.mark.parametrize('product', ['student', 'teacher'])
def test_layer_versions_are_those_of_the_plain_segmentor(product: str) -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_model(checkpoint, method, product)
    assert checkpoint['state_dict']._metadata == method.student.state_dict()._metadata
    unpack_weights(checkpoint, method, 'f.pth', ())
    restored, expected = checkpoint['state_dict']._metadata, method.state_dict()._metadata
    assert restored['student.backbone.norm'] == expected['student.backbone.norm']
    assert restored['student'] == expected['student']


@pytest.mark.parametrize('product', ['student', 'teacher'])
def test_resume_restores_student_and_method_whatever_the_product(product: str) -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_run(checkpoint, method, product, STREAMS)
    ours = checkpoint['dts']
    assert (ours['student'] is None) == (product == 'student')
    assert ours['streams'] == STREAMS
    assert ours['teachers']['teachers']['teacher']['updates'] == 7
    unpack_run(checkpoint, method, 'f.pth')
    resumed = _load(_method(0.0), checkpoint)
    assert _values(resumed.student.state_dict()) == {2.0}
    assert resumed.class_statistics.tolist() == [2.0] * 3
    assert _values(ours['teachers']['teachers']['teacher']['state_dict']) == {5.0}


def test_loading_weights_takes_the_product_and_leaves_the_method_alone() -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_run(checkpoint, method, 'teacher', STREAMS)
    fresh = _method(0.5)
    unpack_weights(checkpoint, fresh, 'f.pth', ())
    _load(fresh, checkpoint)
    assert _values(fresh.student.state_dict()) == {5.0}
    assert fresh.class_statistics.tolist() == [0.5] * 3


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('is_bare', [True, False])
def test_stock_files_load_into_the_student(prefix: str, is_bare: bool) -> None:
    state = OrderedDict(
        (prefix + name, torch.full_like(tensor, 3.0))
        for name, tensor in _method(1.0).student.state_dict().items()
    )
    checkpoint = dict(state) if is_bare else dict(meta={}, state_dict=state)
    fresh = _method(0.5)
    unpack_weights(checkpoint, fresh, 'f.pth', ())
    assert _values(_load(fresh, checkpoint).student.state_dict()) == {3.0}


def test_allowed_tensors_keep_their_initial_values_and_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    monkeypatch.setattr('dts.checkpoints.contents.print_log', lambda text, **_: lines.append(text))
    state = _method(3.0).student.state_dict()
    state['decode_head.conv_seg.weight'] = torch.zeros(7, 8, 1, 1)
    del state['decode_head.conv_seg.bias']
    checkpoint = dict(state_dict=state)
    fresh = _method(0.5)
    unpack_weights(checkpoint, fresh, 'f.pth', ['decode_head.conv_seg.*'])
    _load(fresh, checkpoint)
    assert _values(fresh.student.decode_head.state_dict()) == {0.5}
    assert _values(fresh.student.backbone.state_dict()) == {3.0}
    names = 'decode_head.conv_seg.weight, decode_head.conv_seg.bias'
    assert lines == [f'Not taken from f.pth, they keep their initial values: {names}']


def test_partial_files_are_refused_when_loading_and_when_resuming() -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_run(checkpoint, method, 'student', STREAMS)
    del checkpoint['state_dict']['backbone.conv.weight']
    with pytest.raises(
        ValueError, match=r'^f\.pth .* 1 missing in the file: backbone\.conv\.weight'
    ):
        unpack_weights(copy.deepcopy(checkpoint), method, 'f.pth', ())
    with pytest.raises(
        ValueError, match=r'^f\.pth .* 1 missing in the file: backbone\.conv\.weight'
    ):
        unpack_run(checkpoint, method, 'f.pth')


def test_resume_refuses_a_file_without_the_state_of_the_method() -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_run(checkpoint, method, 'student', STREAMS)
    del checkpoint['dts']['method']['class_statistics']
    with pytest.raises(ValueError, match='1 missing in the file: class_statistics'):
        unpack_run(checkpoint, method, 'f.pth')


@pytest.mark.parametrize(
    ('lacking', 'named'), [('optimizer', 'optimizer'), ('dts', 'dts'), ('meta', 'meta')]
)
def test_resume_names_what_a_file_lacks(lacking: str, named: str) -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_run(checkpoint, method, 'student', STREAMS)
    del checkpoint[lacking]
    with pytest.raises(ValueError, match=f'cannot resume from f.pth, it lacks: {named}'):
        unpack_run(checkpoint, method, 'f.pth')


def test_resume_refuses_a_file_of_one_model() -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_model(checkpoint, method, 'teacher')
    with pytest.raises(ValueError, match=r'it lacks: the state of the run.*load_from'):
        unpack_run(checkpoint, method, 'best.pth')


def test_later_layout_is_refused() -> None:
    method = _method(2.0, teacher_fill=5.0)
    checkpoint = _checkpoint(method)
    pack_run(checkpoint, method, 'student', STREAMS)
    checkpoint['dts']['version'] = 2
    for unpack in (
        lambda c: unpack_run(c, method, 'f.pth'),
        lambda c: unpack_weights(c, method, 'f.pth', ()),
    ):
        with pytest.raises(ValueError, match='layout 2, this package reads layout 1: update dts'):
            unpack(copy.deepcopy(checkpoint))


def test_equal_streams_pass() -> None:
    check_streams(copy.deepcopy(STREAMS), STREAMS)
    check_streams(None, None)


@pytest.mark.parametrize(
    ('saved', 'current', 'text'),
    [
        (STREAMS, STREAMS | {'seed': 2}, '^cannot resume.*: seed: 1 in the file, 2 in the config'),
        (STREAMS, STREAMS | {'lengths': {'labeled': 10}}, "'labeled': 11.*'labeled': 10"),
        (STREAMS, None, "global_batch: .*'labeled': 4.* in the file, None in the config"),
        (None, STREAMS, 'seed: None in the file, 1 in the config'),
    ],
)
def test_other_streams_are_refused(saved: Any, current: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_streams(saved, current)
