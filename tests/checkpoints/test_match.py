from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dts.checkpoints.match import match_tensors


def _state(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name.replace('__', '.'): torch.zeros(shape) for name, shape in shapes.items()}


NETWORK = _state(
    backbone__a=(2,),
    backbone__b=(3, 3),
    norm__num_batches_tracked=(),
    decode_head__conv_seg__weight=(11, 4, 1, 1),
    decode_head__conv_seg__bias=(11,),
)


def test_equal_names_and_shapes_are_taken_whole() -> None:
    file = {name: tensor + 1 for name, tensor in NETWORK.items()}
    assert match_tensors(file, NETWORK, source='f.pth') == file


def test_missing_counter_of_batches_is_no_error() -> None:
    file = {name: t for name, t in NETWORK.items() if name != 'norm.num_batches_tracked'}
    assert list(match_tensors(file, NETWORK, source='f.pth')) == list(file)


def test_other_class_count_is_said_in_numbers() -> None:
    file = NETWORK | _state(
        decode_head__conv_seg__weight=(21, 4, 1, 1), decode_head__conv_seg__bias=(21,)
    )
    with pytest.raises(ValueError, match='21 classes in the file, 11 in the config') as caught:
        match_tensors(file, NETWORK, source='work/f.pth')
    message = str(caught.value)
    assert message.startswith('work/f.pth does not fit')
    assert '2 of another shape' in message
    assert 'decode_head.conv_seg.weight (21, 4, 1, 1) vs (11, 4, 1, 1)' in message
    assert 'missing in the file' not in message


def test_other_head_width_is_not_called_a_class_count() -> None:
    file = NETWORK | _state(decode_head__conv_seg__weight=(11, 8, 1, 1))
    with pytest.raises(ValueError, match='1 of another shape') as caught:
        match_tensors(file, NETWORK, source='f.pth')
    assert 'classes in the file' not in str(caught.value)


def test_missing_and_unknown_names_are_counted_and_the_first_are_shown() -> None:
    network = NETWORK | _state(**{f'neck__{letter}': (1,) for letter in 'abcde'})
    file = NETWORK | _state(auxiliary_head__w=(1,))
    with pytest.raises(ValueError, match='does not fit') as caught:
        match_tensors(file, network, source='f.pth')
    message = str(caught.value)
    assert '5 missing in the file: neck.a, neck.b, neck.c and 2 more;' in message
    assert '1 unknown to the network: auxiliary_head.w;' in message


@pytest.mark.parametrize(
    'file',
    [
        NETWORK | _state(decode_head__conv_seg__weight=(21, 4, 1, 1)),
        {n: t for n, t in NETWORK.items() if n != 'decode_head.conv_seg.weight'},
    ],
    ids=['other shape', 'missing'],
)
def test_allowed_names_keep_the_tensor_of_the_network(file: dict[str, Tensor]) -> None:
    taken = match_tensors(
        file, NETWORK, source='f.pth', allow_missing=['decode_head.conv_seg.weight']
    )
    assert set(NETWORK) - set(taken) == {'decode_head.conv_seg.weight'}


def test_allowed_unknown_names_are_left_out() -> None:
    file = NETWORK | _state(auxiliary_head__w=(1,))
    taken = match_tensors(file, NETWORK, source='f.pth', allow_missing=['auxiliary_head.*'])
    assert set(taken) == set(NETWORK)


def test_a_pattern_allows_only_what_it_names() -> None:
    file = NETWORK | _state(backbone__a=(5,), decode_head__conv_seg__bias=(21,))
    with pytest.raises(ValueError, match=r'1 of another shape \(file vs config\): backbone\.a'):
        match_tensors(file, NETWORK, source='f.pth', allow_missing=['decode_head.*'])
