"""export_onnx.py: the graph scores as MMSegmentation does, whole and by windows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from mmengine.config import Config, ConfigDict

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS.parent / 'tools/model_converters'))
sys.path.insert(0, str(TESTS / 'zoo'))

import export_onnx
from toy_files import CLASSES, PIPELINE, write_run

from dts.registry import MODELS
from dts.segmentor import decode_logits
from runs import small_segformer
from toys import toy_segmentor_config

SLIDE = dict(mode='slide', crop_size=(16, 24), stride=(8, 16))


@pytest.mark.slow
@torch.no_grad()
def test_file_scores_any_batch_as_the_network_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, checkpoint, networks = write_run(tmp_path)
    out = tmp_path / 'toy.onnx'
    export_onnx.main([config, checkpoint, str(out), '--model', 'teacher'])
    assert 'teacher, images (batch, 3, 16, 24)' in capsys.readouterr().out
    session = onnxruntime.InferenceSession(out)
    for num_images in (1, 2, 5):
        images = torch.randn(num_images, 3, 16, 24)
        (logits,) = session.run(None, {'images': images.numpy()})
        expected = decode_logits(networks['teacher'], images)
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-4, atol=1e-4)
    notes = json.loads(session.get_modelmeta().custom_metadata_map['dts'])
    assert notes == {
        'channels': 'RGB',
        'mean': [127.5] * 3,
        'std': [127.5] * 3,
        'resize': [16, 24],
        'stride': [16, 24],
        **CLASSES,
    }


def test_window_follows_test_cfg_and_size(tmp_path: Path) -> None:
    segmentor = MODELS.build(toy_segmentor_config())
    cfg = Config(dict(test_pipeline=PIPELINE))
    bare = Config(dict(test_pipeline=PIPELINE[::2]))

    def facts(cfg: Config, size: list[int] | None) -> tuple:
        window, notes = export_onnx.describe(segmentor, cfg, size)
        return window, notes['resize'], notes['stride']

    assert facts(cfg, None) == ([16, 24], [16, 24], [16, 24])
    assert facts(cfg, [32, 40]) == ([32, 40], [32, 40], [32, 40])
    with pytest.raises(ValueError, match='has no Resize: give --size HEIGHT WIDTH'):
        facts(bare, None)
    segmentor.test_cfg = ConfigDict(SLIDE)
    assert facts(bare, None) == ([16, 24], None, [8, 16])
    assert facts(cfg, [32, 40]) == ([16, 24], [32, 40], [8, 16])


def test_channels_are_those_after_the_preprocessor() -> None:
    config = toy_segmentor_config()
    config.data_preprocessor.update(mean=[1, 2, 3], std=[4, 5, 6], bgr_to_rgb=False)
    cfg = Config(dict(test_pipeline=PIPELINE))
    _, notes = export_onnx.describe(MODELS.build(config), cfg, None)
    assert notes['channels'] == 'BGR'
    assert notes['mean'] == [1, 2, 3]
    assert notes['std'] == [4, 5, 6]


@pytest.mark.slow
def test_transformer_by_sliding_windows() -> None:
    """Attention, BatchNorm and resizing, over images of more than one window."""
    segmentor = MODELS.build(small_segformer()).eval()
    segmentor.test_cfg = ConfigDict(mode='slide', crop_size=(32, 64), stride=(16, 48))
    content = export_onnx.export(segmentor, (32, 64), {})
    difference = export_onnx.compare(segmentor, content, (32, 64), (16, 48))
    assert difference <= export_onnx.TOLERANCE


@pytest.mark.slow
@torch.no_grad()
def test_windows_of_hrda_leave_the_batch_open() -> None:
    """Nine windows of every image in parts of four, four and one."""
    config = toy_segmentor_config()
    config.update(type='dts.HRDAEncoderDecoder', detail_size=(16, 16), stride=1)
    segmentor = MODELS.build({**config, 'windows_per_forward': 4}).eval()
    session = onnxruntime.InferenceSession(export_onnx.export(segmentor, (32, 32), {}))
    for num_images in (1, 2, 5):
        images = torch.randn(num_images, 3, 32, 32)
        (logits,) = session.run(None, {'images': images.numpy()})
        expected = decode_logits(segmentor, images)
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=1e-4)


class Session:
    """Stands in for onnxruntime: scores of a segmentor, and 3 too many for one class."""

    def __init__(self, segmentor) -> None:
        self.segmentor = segmentor

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(shape=('batch', 3, 16, 24))]

    get_outputs = get_inputs

    @torch.no_grad()
    def run(self, _, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        logits = decode_logits(self.segmentor, torch.from_numpy(feed['images']))
        return [(logits + torch.tensor([3.0, 0.0, 0.0]).view(3, 1, 1)).numpy()]


@pytest.mark.parametrize(
    ('largest', 'difference'), [(10.0, 0.3), (0.5, 3.0), (float('nan'), float('nan'))]
)
def test_difference_is_relative_to_the_largest_score(
    monkeypatch: pytest.MonkeyPatch, largest: float, difference: float
) -> None:
    """3 / max(1, largest score); a constant network, so that the largest score is known."""
    segmentor = MODELS.build(toy_segmentor_config()).eval()
    head = segmentor.decode_head.conv_seg
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, largest, 0.0]))
    for mode in (dict(mode='whole'), SLIDE):
        segmentor.test_cfg = ConfigDict(mode)
        monkeypatch.setattr(export_onnx, 'InferenceSession', lambda _: Session(segmentor))
        found = export_onnx.compare(segmentor, b'', [16, 24], mode.get('stride', [16, 24]))
        assert found == pytest.approx(difference, nan_ok=True)


def test_a_fixed_batch_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    segmentor = MODELS.build(toy_segmentor_config())
    session = Session(segmentor)
    session.get_inputs = lambda: [SimpleNamespace(shape=(2, 3, 16, 24))]
    monkeypatch.setattr(export_onnx, 'InferenceSession', lambda _: session)
    with pytest.raises(ValueError, match='batches of 2 images alone: EncoderDecoder computes'):
        export_onnx.compare(segmentor, b'', [16, 24], [16, 24])


def test_nothing_is_written_when_the_scores_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, checkpoint, _ = write_run(tmp_path)
    monkeypatch.setattr(export_onnx, 'export', lambda *args: b'')
    for difference in (2e-4, float('nan')):
        monkeypatch.setattr(export_onnx, 'compare', lambda *args, d=difference: d)
        with pytest.raises(ValueError, match=r'differ by .* 1e-04 is allowed; nothing was written'):
            export_onnx.main([config, checkpoint, str(tmp_path / 'toy.onnx')])
    assert not (tmp_path / 'toy.onnx').exists()
