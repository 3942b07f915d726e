"""Margins travel with the image through the geometry of MMSegmentation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose

from dts.datasets.streams import seeded
from dts.datasets.transforms.margins import MarkMargins, PackWithMargins
from dts.targets.margin import margin_weights

SIZE = (64, 128)
MARGINS = dict(top=4, bottom=16, left=6, right=2)


def sample(size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """An image whose blue and green hold column and row, as a target stream loads it."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.stack([columns, rows, np.full(size, 90)], axis=2).astype(np.uint8)
    return dict(img=image, img_path='a.png', img_shape=size, ori_shape=size, seg_fields=[])


def packed_map(steps: list[dict], seed: int = 0, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Run a target pipeline; return the image (H, W, 3) and the margin map (H, W)."""
    mark = dict(type='dts.MarkMargins', **MARGINS)
    pipeline = Compose([mark, *steps, dict(type='dts.PackWithMargins')])
    with seeded(seed):
        packed = pipeline(sample(**changes))
    margin_map = packed['data_samples'].margin_map.data
    assert margin_map.dtype == torch.uint8
    assert margin_map.shape == (1, *packed['inputs'].shape[1:])
    assert 'gt_sem_seg' not in packed['data_samples']
    return packed['inputs'].permute(1, 2, 0).numpy(), margin_map[0].numpy()


def expected_map(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The margins from the place of a pixel in the whole image."""
    return (rows < 4) | (rows >= 64 - 16) | (columns < 6) | (columns >= 128 - 2)


def test_four_sides_by_hand() -> None:
    _, margin_map = packed_map([])
    inside = np.flatnonzero((margin_map == 0).any(axis=1))
    assert (inside[0], inside[-1]) == (4, 47)
    inside = np.flatnonzero((margin_map == 0).any(axis=0))
    assert (inside[0], inside[-1]) == (6, 125)
    assert (margin_map == 0).sum() == 44 * 120
    assert set(np.unique(margin_map)) == {0, 1}


def test_crop_and_flip_move_the_map_with_the_pixels() -> None:
    steps = [
        dict(type='RandomCrop', crop_size=(40, 48)),
        dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    ]
    shares = []
    for seed in range(30):
        image, margin_map = packed_map(steps, seed)
        expected = expected_map(image[..., 0].astype(int), image[..., 1].astype(int))
        assert (margin_map == expected).all()
        shares.append(expected.mean())
    assert len(set(shares)) > 10  # crops at many places


def test_half_size_gives_half_margins_exactly() -> None:
    resize = dict(type='RandomResize', scale=(64, 32), ratio_range=(1.0, 1.0), keep_ratio=True)
    _, margin_map = packed_map([resize])
    expected = np.ones((32, 64))
    expected[2 : 32 - 8, 3 : 64 - 1] = 0
    assert (margin_map == expected).all()


@pytest.mark.parametrize('ratio', [0.7, 1.3, 2.0])
def test_any_scale_resizes_the_map_as_labels_are(ratio: float) -> None:
    resize = dict(type='RandomResize', scale=(128, 64), ratio_range=(ratio, ratio), keep_ratio=True)
    _, margin_map = packed_map([resize])
    whole = np.ones(SIZE, np.uint8)
    whole[4:48, 6:126] = 0
    size = margin_map.shape[::-1]
    assert (margin_map == cv2.resize(whole, size, interpolation=cv2.INTER_NEAREST)).all()


def test_trap_18_margins_are_read_from_the_image_not_from_a_constant() -> None:
    _, margin_map = packed_map([], size=(100, 50))
    assert (margin_map == 0).sum() == (100 - 20) * (50 - 8)
    with pytest.raises(ValueError, match=r'bottom=16.* leaves nothing of a\.png.* 50 x 20'):
        packed_map([], size=(20, 50))
    with pytest.raises(ValueError, match='leaves nothing'):
        packed_map([], size=(100, 8))


def test_the_method_reads_the_map_as_weight_0() -> None:
    pipeline = Compose([MarkMargins(**MARGINS), PackWithMargins()])
    packed = pipeline(sample())
    images = packed['inputs'][None].float()
    weights = margin_weights(images, [packed['data_samples']])
    rows, columns = np.mgrid[:64, :128]
    assert (weights[0].numpy() == 1 - expected_map(columns, rows)).all()


def test_labels_travel_beside_the_map() -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[:, 64:] = 1
    results = sample() | dict(gt_seg_map=labels, seg_fields=['gt_seg_map'])
    packed = Compose(
        [MarkMargins(top=1), dict(type='RandomFlip', prob=1.0), dict(type='dts.PackWithMargins')]
    )(results)
    assert packed['data_samples'].gt_sem_seg.data[0, 0, [0, 127]].tolist() == [1, 0]
    assert packed['data_samples'].margin_map.data[0].sum() == 128


def test_mistakes_in_a_config_are_named() -> None:
    with pytest.raises(ValueError, match=r'must be >= 0 pixels, got top=0, bottom=-1'):
        MarkMargins(bottom=-1)
    with pytest.raises(ValueError, match=r'add dts\.MarkMargins'):
        PackWithMargins()(sample())
    results = MarkMargins(top=1)(sample())
    results['img'] = results['img'][:32]
    with pytest.raises(ValueError, match=r'a\.png: margins of size \(64, 128\), image of size'):
        PackWithMargins()(results)
