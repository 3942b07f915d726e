"""predict_onnx.py: windows as MMSegmentation slides them, labels as it predicts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.apis import inference_model

TESTS = Path(__file__).parents[1]
DEPLOYMENT = TESTS.parent / 'tools/deployment'
sys.path.insert(0, str(DEPLOYMENT))
sys.path.insert(0, str(DEPLOYMENT.parent / 'model_converters'))
sys.path.insert(0, str(TESTS / 'zoo'))

import export_onnx
from predict_onnx import predict_logits
from toy_files import PIPELINE, write_run

from dts.registry import MODELS
from toys import toy_segmentor_config

BLOCKED = """
import sys
for name in ('torch', 'mmengine', 'mmcv', 'mmseg', 'dts'):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name='__main__')
"""


class Shape:
    """Name and shape of an input or output."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape


class TorchSession:
    """What stands in for onnxruntime: a segmentor of MMSegmentation that scores one window."""

    def __init__(self, segmentor, window: tuple[int, int]) -> None:
        self.segmentor, self.window = segmentor, window

    def get_inputs(self) -> list[Shape]:
        return [Shape('batch', 3, *self.window)]

    def get_outputs(self) -> list[Shape]:
        return [Shape('batch', 3, *self.window)]

    @torch.no_grad()
    def run(self, _, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert feed['images'].shape[2:] == self.window
        images = torch.from_numpy(feed['images'])
        return [self.segmentor.encode_decode(images, [dict(img_shape=self.window)]).numpy()]


@torch.no_grad()
@pytest.mark.parametrize('size', [(16, 24), (17, 24), (24, 40), (39, 61), (64, 24)])
@pytest.mark.parametrize('stride', [(8, 16), (16, 24), (5, 7)])
def test_windows_are_those_of_mmseg(size: tuple[int, int], stride: tuple[int, int]) -> None:
    segmentor = MODELS.build(toy_segmentor_config()).eval()
    segmentor.test_cfg = ConfigDict(mode='slide', crop_size=(16, 24), stride=stride)
    images = torch.randn(2, 3, *size)
    metas = [dict(ori_shape=size, img_shape=size) for _ in images]
    expected = segmentor.inference(images, metas).numpy()
    actual = predict_logits(TorchSession(segmentor, (16, 24)), images.numpy(), stride)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_small_images_are_padded_and_cut_back() -> None:
    segmentor = MODELS.build(toy_segmentor_config()).eval()
    images = torch.randn(1, 3, 10, 30)
    actual = predict_logits(TorchSession(segmentor, (16, 24)), images.numpy(), (8, 16))
    assert actual.shape == (1, 3, 10, 30)
    # Rows far from the padding do not see it: the toy looks one pixel far.
    padded = torch.nn.functional.pad(images, (0, 0, 0, 6))
    segmentor.test_cfg = ConfigDict(mode='slide', crop_size=(16, 24), stride=(8, 16))
    metas = [dict(ori_shape=(16, 30), img_shape=(16, 30))]
    expected = segmentor.inference(padded, metas).numpy()[:, :, :10]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_labels_are_those_of_mmseg_without_its_packages(tmp_path: Path) -> None:
    """A BGR image of 32x40, brought to 16x24, scored, and back; in a process without torch."""
    config, checkpoint, networks = write_run(tmp_path)
    export_onnx.main([config, checkpoint, str(tmp_path / 'toy.onnx')])
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3) * 2 - 128
    cv2.imwrite(str(tmp_path / 'image.png'), image)
    command = [sys.executable, '-c', BLOCKED, str(DEPLOYMENT / 'predict_onnx.py')]
    arguments = [str(tmp_path / 'toy.onnx'), str(tmp_path / 'out'), str(tmp_path / 'image.png')]
    (tmp_path / 'out').mkdir()
    subprocess.run([*command, *arguments], check=True)
    labels = cv2.imread(str(tmp_path / 'out/image.png'), cv2.IMREAD_GRAYSCALE)

    student = networks['student']
    student.cfg = ConfigDict(test_pipeline=PIPELINE)
    expected = inference_model(student, image).pred_sem_seg.data[0].numpy()
    assert len(np.unique(expected)) > 1
    assert (labels == expected).mean() > 0.999

    arguments[-1] = str(tmp_path / 'gone.png')
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f'{arguments[-1]} is not there' in done.stderr
