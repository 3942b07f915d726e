"""FLOPs and parameters: a toy network counted by hand, and configs of ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from dts.config import load_config, student_config
from toys import toy_segmentor_config

FILE = Path(__file__).parents[2] / 'tools/analysis_tools/get_flops.py'
SPEC = importlib.util.spec_from_file_location('get_flops', FILE)
get_flops = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(get_flops)


def test_toy_network_is_counted_by_hand():
    found = get_flops.measure(toy_segmentor_config(num_classes=3, channels=8), (10, 20))
    pixels = 200
    convolution = pixels * 8 * 3 * 9
    head = pixels * 3 * 8
    norm = 2 * pixels * 8  # scale and shift of an evaluated BatchNorm
    assert found['flops'] == convolution + head + norm
    assert found['params'] == (8 * 3 * 9 + 8) + 2 * 8 + (3 * 8 + 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        'mean_teacher/mean-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py',
        'lad/lad-teacher_fpn_lite0_1xb4-800_camvid-224x288.py',
        'uda/hrda_hrda_lite0_1xb4-250_toy-city-game2street-128x256.py',
    ],
)
def test_student_of_a_method_is_measured(repository, capsys, name):
    file = repository / 'configs' / name
    get_flops.main([str(file)])
    image, flops, parameters = capsys.readouterr().out.splitlines()[-3:]
    height, width = student_config(load_config(file).model).data_preprocessor.size
    assert image == f'image: 3 x {height} x {width}'
    assert flops.endswith('G')
    assert 2 < float(parameters.split()[1].removesuffix('M')) < 5


def test_an_unknown_size_is_asked_for():
    with pytest.raises(ValueError, match='--shape HEIGHT WIDTH'):
        get_flops.image_shape(dict(type='EncoderDecoder'), None)
    assert get_flops.image_shape({}, [3, 4]) == (3, 4)
