"""dts.CenterCrop: which pixels stay, and what size is scored."""

import numpy as np
import pytest

from dts.datasets.transforms.center_crop import CenterCrop


def sample(height: int, width: int) -> dict:
    """A sample as after dts.LoadImage and dts.LoadLabels; every pixel holds its own number."""
    number = np.arange(height * width, dtype=np.int64).reshape(height, width)
    return dict(
        img=np.stack([number] * 3, axis=2),
        gt_seg_map=number.copy(),
        seg_fields=['gt_seg_map'],
        img_shape=(height, width),
        ori_shape=(height, width),
    )


@pytest.mark.parametrize(
    ('size', 'crop', 'rows', 'columns'),
    [
        ((6, 10), (2, 4), slice(2, 4), slice(3, 7)),
        ((7, 9), (4, 4), slice(1, 5), slice(2, 6)),  # an odd rest goes below and to the right
        ((6, 10), (8, 4), slice(0, 6), slice(3, 7)),  # a short side stays whole
    ],
)
def test_middle_stays(size: tuple, crop: tuple, rows: slice, columns: slice) -> None:
    number = sample(*size)['gt_seg_map']
    results = CenterCrop(crop)(sample(*size))
    assert (results['gt_seg_map'] == number[rows, columns]).all()
    assert (results['img'] == number[rows, columns, None]).all()
    assert results['img_shape'] == results['ori_shape'] == results['gt_seg_map'].shape


def test_image_without_labels() -> None:
    results = sample(6, 10)
    del results['gt_seg_map'], results['seg_fields']
    assert CenterCrop((2, 2))(results)['img'].shape == (2, 2, 3)
