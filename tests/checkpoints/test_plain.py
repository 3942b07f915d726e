from __future__ import annotations

import io
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from dts.checkpoints.plain import drop_opaque, history_from_plain, to_plain


def _through_file(value: Any) -> Any:
    """Write and read as a stock reader does."""
    with io.BytesIO() as file:
        torch.save(value, file)
        file.seek(0)
        return torch.load(file, weights_only=True)


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (np.float64(0.5), 0.5),  # is a float, and still no plain one
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_('a'), 'a'),
        (np.array([[1, 2]]), [[1, 2]]),
        (ConfigDict(a=[np.int8(1)]), {'a': [1]}),
        ({np.int64(1): (np.float32(2.0), None)}, {1: (2.0, None)}),
        (namedtuple('Pair', 'x y')(1, np.int32(2)), (1, 2)),
        (True, True),
        (b'raw', b'raw'),
    ],
)
def test_values_become_builtin_types(value: Any, expected: Any) -> None:
    plain = to_plain(value)
    assert plain == expected
    assert type(plain) is type(expected)
    assert _through_file(plain) == expected


def test_nested_numpy_scalars_are_found() -> None:
    plain = to_plain({'a': [{'b': (np.float64(1.5),)}]})
    assert type(plain['a'][0]['b'][0]) is float


def test_history_buffer_survives_a_file() -> None:
    buffer = HistoryBuffer([3.0, 1.0, 8.0, 2.0], [1, 2, 1, 4], max_length=4)
    (restored,) = history_from_plain(_through_file(to_plain({'loss': buffer}))).values()
    assert isinstance(restored, HistoryBuffer)
    assert restored.mean(2) == 2.0  # sum of the last two values over their counts: (8 + 2) / 5
    assert (restored.min(), restored.max(), restored.current()) == (1.0, 8.0, 2.0)
    restored.update(5.0, 1)
    np.testing.assert_array_equal(restored.data[0], [1.0, 8.0, 2.0, 5.0])  # max_length = 4
    np.testing.assert_array_equal(restored.data[1], [2, 1, 4, 1])


def test_plain_history_does_not_follow_the_live_one() -> None:
    buffer = HistoryBuffer([1.0], [1])
    plain = to_plain(buffer)
    buffer.data[0][0] = 7.0
    assert plain['log_history'].tolist() == [1.0]


def test_history_buffers_of_mmengine_files_pass() -> None:
    buffer = HistoryBuffer([1.0], [1])
    assert history_from_plain({'loss': buffer})['loss'] is buffer


def test_state_dict_keeps_values_order_and_layer_versions() -> None:
    state = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1)).state_dict()
    plain = _through_file(to_plain({'state_dict': state}))['state_dict']
    assert list(plain) == list(state)
    for name, tensor in state.items():
        assert torch.equal(plain[name], tensor)
    assert plain._metadata['1']['version'] == 2  # BatchNorm: with num_batches_tracked


def test_parameters_become_tensors_without_gradient() -> None:
    plain = to_plain({'w': torch.nn.Parameter(torch.ones(2))})
    assert type(plain['w']) is torch.Tensor
    assert not plain['w'].requires_grad


class _Opaque:
    pass


@pytest.mark.parametrize('value', [_Opaque(), min, {1, 2}, torch.float32])
def test_other_objects_are_refused_by_place(value: Any) -> None:
    with pytest.raises(TypeError, match=r'checkpoint\.optimizer\.state\[1\]\.x holds a '):
        to_plain({'optimizer': {'state': [0, {'x': value}]}})


def test_argument_is_not_changed() -> None:
    value = {'a': OrderedDict(b=[np.float64(1.0)])}
    to_plain(value)
    assert isinstance(value['a']['b'][0], np.float64)


def test_opaque_notes_are_left_out_with_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr('dts.checkpoints.plain.print_log', lambda text, **_: lines.append(text))
    notes = {'kept': 1, 'curve': [_Opaque()], 'also_kept': np.float64(2.0)}
    drop_opaque(notes)
    assert list(notes) == ['kept', 'also_kept']
    assert len(lines) == 1
    assert 'curve[0]' in lines[0]
