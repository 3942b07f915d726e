"""extract.py: one network of a run as stock MMSegmentation keeps it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS.parent / 'tools/model_converters'))
sys.path.insert(0, str(TESTS / 'zoo'))

import extract
from toy_files import CLASSES, PIPELINE, write_run

from dts.segmentor import decode_logits


@torch.no_grad()
@pytest.mark.parametrize(
    ('options', 'name'), [([], 'student'), (['--model', 'teacher'], 'teacher')]
)
def test_mmseg_loads_the_network_that_was_asked_for(
    tmp_path: Path, options: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config, checkpoint, networks = write_run(tmp_path)
    out = tmp_path / 'out/one.pth'
    extract.main([config, checkpoint, str(out), *options])
    num_tensors = len(networks[name].state_dict())
    assert f'{name} with {num_tensors} tensors' in capsys.readouterr().out

    content = torch.load(out, weights_only=True)
    assert set(content) == {'meta', 'state_dict'}
    assert content['meta'] == {'dataset_meta': CLASSES}
    loaded = init_model(str(out.with_suffix('.py')), str(out), device='cpu')
    images = torch.randn(1, 3, 16, 24)
    expected = decode_logits(networks[name], images)
    torch.testing.assert_close(decode_logits(loaded, images), expected, rtol=0, atol=0)
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    assert inference_model(loaded, image).pred_sem_seg.shape == (32, 48)


def test_config_is_stock_but_for_parts_of_ours(tmp_path: Path) -> None:
    config, checkpoint, _ = write_run(tmp_path)
    extract.main([config, checkpoint, str(tmp_path / 'one.pth')])
    cfg = Config.fromfile(tmp_path / 'one.py')
    assert set(cfg) == {'default_scope', 'model', 'test_pipeline', 'custom_imports'}
    assert cfg.model.type == 'mmseg.EncoderDecoder'
    assert [dict(step) for step in cfg.test_pipeline] == PIPELINE


def test_unknown_networks_and_files_are_told(tmp_path: Path) -> None:
    config, checkpoint, _ = write_run(tmp_path)
    out = str(tmp_path / 'one.pth')
    with pytest.raises(
        ValueError, match=r"no network named 'teacher\.1', it has: student, teacher"
    ):
        extract.main([config, checkpoint, out, '--model', 'teacher.1'])
    with pytest.raises(FileNotFoundError, match='no checkpoint at'):
        extract.main([config, str(tmp_path / 'gone.pth'), out])
    with pytest.raises(ValueError, match=r'name it \*\.pth'):
        extract.main([config, checkpoint, str(tmp_path / 'one.bin')])
    other = Config.fromfile(config)
    other.model.student.decode_head.num_classes = 5
    other.dump(tmp_path / 'other.py')
    with pytest.raises(ValueError, match=r'student of .* 3 classes in the file, 5 in the config'):
        extract.main([str(tmp_path / 'other.py'), checkpoint, out])
    assert not Path(out).exists()
