"""Label files and pictures of predictions, by hand-made pixels."""

from __future__ import annotations

from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from dts.evaluation.predictions import PredictionWriter, overlay

PALETTE = [[255, 0, 0], [0, 0, 100]]


def make_sample(path: Path, has_label: bool = True, **metainfo: object) -> SegDataSample:
    path.parent.mkdir(exist_ok=True)
    mmcv.imwrite(np.full((1, 2, 3), 100, dtype=np.uint8), str(path))
    sample = SegDataSample(metainfo={'img_path': str(path), **metainfo})
    sample.pred_sem_seg = PixelData(data=torch.tensor([[[0, 1]]]))
    if has_label:
        sample.gt_sem_seg = PixelData(data=torch.tensor([[[255, 1]]]))
    return sample


def test_overlay_mixes_colours_and_leaves_ignored_pixels() -> None:
    image = np.full((1, 3, 3), 100, dtype=np.uint8)
    labels = np.array([[0, 1, 255]], dtype=np.uint8)
    mixed = overlay(image, labels, np.array(PALETTE, dtype=np.uint8))
    # BGR; 0.4 * 100 + 0.6 * colour
    assert mixed.tolist() == [[[40, 40, 193], [100, 40, 40], [100, 100, 100]]]


@pytest.mark.parametrize(('reduced', 'expected'), [(False, [[0, 1]]), (True, [[1, 2]])])
def test_labels_are_written_as_class_ids(reduced: bool, expected: list, tmp_path: Path) -> None:
    sample = make_sample(tmp_path / 'img/x.jpg', reduce_zero_label=reduced)
    PredictionWriter(tmp_path / 'out', None).write(sample)
    written = mmcv.imread(str(tmp_path / 'out/x.png'), 'unchanged')
    assert written.dtype == np.uint8
    assert written.tolist() == expected


def test_files_of_a_test_server_hold_its_ids_under_the_name_of_the_image(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path / 'out', None, file_ids=[7, 26])
    for folder, name in (
        ('berlin', 'berlin_000000_000019_leftImg8bit'),
        ('GOPR0475', 'GOPR0475_frame_000247_rgb_anon'),
    ):
        writer.write(make_sample(tmp_path / folder / f'{name}.png'))
        written = mmcv.imread(str(tmp_path / f'out/{name}.png'), 'unchanged')
        assert written.dtype == np.uint8
        assert written.tolist() == [[7, 26]]


def test_picture_is_image_label_prediction(tmp_path: Path) -> None:
    writer = PredictionWriter(None, tmp_path / 'show', palette=PALETTE)
    writer.write(make_sample(tmp_path / 'img/x.png'))
    gap = [[255, 255, 255]] * 4
    grey = [100, 100, 100]
    expected = [grey, grey, *gap, grey, [100, 40, 40], *gap, [40, 40, 193], [100, 40, 40]]
    assert mmcv.imread(str(tmp_path / 'show/x.png')).tolist() == [expected]
    writer.write(make_sample(tmp_path / 'img/y.png', has_label=False))
    expected = [grey, grey, *gap, [40, 40, 193], [100, 40, 40]]
    assert mmcv.imread(str(tmp_path / 'show/y.png')).tolist() == [expected]


def test_equal_names_are_refused_and_the_same_file_again_is_not(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path / 'out', None)
    sample = make_sample(tmp_path / 'a/x.png')
    writer.write(sample)
    writer.write(sample)  # repeated by the sampler of a distributed run
    with pytest.raises(ValueError, match=r'b/x\.png and .*a/x\.png have the same name'):
        writer.write(make_sample(tmp_path / 'b/x.png'))


def test_pictures_need_a_palette(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='palette'):
        PredictionWriter(None, tmp_path)
