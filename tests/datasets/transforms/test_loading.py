"""Every way an image or mask file can be wrong, and the values of the right ones."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dts.datasets.folder import FolderDataset
from dts.datasets.transforms.loading import LoadImage, LoadLabels, check_labels

HEIGHT, WIDTH = 24, 40


def noise(*shape: int, high: int = 256, dtype: type = np.uint8) -> NDArray[Any]:
    """Return uniform noise of a fixed seed."""
    return np.random.default_rng(1).integers(0, high, shape).astype(dtype)


def encode(image: NDArray[Any], suffix: str, *flags: int) -> bytes:
    """Encode an image with OpenCV."""
    return cv2.imencode(suffix, image, flags)[1].tobytes()


def save(path: Path, content: bytes | NDArray[Any]) -> Path:
    """Write bytes, or an array in the format of the suffix."""
    path.write_bytes(content if isinstance(content, bytes) else encode(content, path.suffix))
    return path


def load_image(path: Path) -> NDArray[np.uint8]:
    """Load an image as a pipeline does."""
    return LoadImage()({'img_path': str(path)})['img']


def load_labels(path: Path, **results: Any) -> NDArray[np.uint8]:
    """Load a mask as a pipeline does."""
    return LoadLabels()(
        {'seg_map_path': str(path), 'img_path': 'x.jpg', 'reduce_zero_label': False, **results}
    )['gt_seg_map']


# Images


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tif'])
def test_color_image_is_bgr_as_written(tmp_path: Path, suffix: str) -> None:
    image = noise(HEIGHT, WIDTH, 3)
    results = LoadImage()({'img_path': str(save(tmp_path / f'a{suffix}', image))})
    assert (results['img'] == image).all()
    assert results['img_shape'] == results['ori_shape'] == (HEIGHT, WIDTH)


@pytest.mark.parametrize('progressive', [0, 1])
def test_jpeg_equals_opencv(tmp_path: Path, progressive: int) -> None:
    content = encode(noise(HEIGHT, WIDTH, 3), '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert (load_image(save(tmp_path / 'a.jpg', content)) == expected).all()
    # bytes after the end mark are allowed: cameras put their own there
    assert (load_image(save(tmp_path / 'b.jpg', content + b'more')) == expected).all()


def test_jpeg_is_turned_by_its_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate clockwise to view
    plain = Image.fromarray(noise(HEIGHT, WIDTH, 3))
    plain.save(tmp_path / 'plain.jpg')
    plain.save(tmp_path / 'turned.jpg', exif=exif)
    plain_image = load_image(tmp_path / 'plain.jpg')
    assert (load_image(tmp_path / 'turned.jpg') == np.rot90(plain_image, k=-1)).all()


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tif', '.jpg'])
def test_gray_image_is_replicated(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f'a{suffix}', noise(HEIGHT, WIDTH))
    expected = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert (load_image(path) == np.stack([expected] * 3, axis=-1)).all()


def test_palette_image_gives_its_colors(tmp_path: Path) -> None:
    indices = noise(HEIGHT, WIDTH, high=3)
    image = Image.fromarray(indices, mode='P')
    colors = np.array([[10, 20, 30], [200, 0, 7], [1, 255, 3]], np.uint8)
    image.putpalette(colors.ravel().tolist())
    image.save(tmp_path / 'a.png')
    assert (load_image(tmp_path / 'a.png') == colors[indices][..., ::-1]).all()


def test_opaque_alpha_is_dropped_and_transparent_alpha_refused(tmp_path: Path) -> None:
    image = noise(HEIGHT, WIDTH, 4)
    image[..., 3] = 255
    assert (load_image(save(tmp_path / 'a.png', image)) == image[..., :3]).all()
    image[3, 5, 3] = 254
    with pytest.raises(ValueError, match=r'b\.png has an alpha channel.*flatten'):
        load_image(save(tmp_path / 'b.png', image))


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
@pytest.mark.parametrize('channels', [1, 3])
def test_16_bit_image_is_refused(tmp_path: Path, suffix: str, channels: int) -> None:
    image = noise(HEIGHT, WIDTH, channels, high=4096, dtype=np.uint16)
    with pytest.raises(ValueError, match=rf'a\{suffix} has uint16 pixels.*8 bits'):
        load_image(save(tmp_path / f'a{suffix}', image))


@pytest.mark.parametrize('progressive', [0, 1])
def test_truncated_jpeg_is_refused_wherever_it_ends(tmp_path: Path, progressive: int) -> None:
    content = encode(noise(HEIGHT, WIDTH, 3), '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    for length in range(2, len(content), 31):
        with pytest.raises(ValueError, match=rf'a\.jpg is truncated: it ends after {length} bytes'):
            load_image(save(tmp_path / 'a.jpg', content[:length]))


def test_half_a_jpeg_is_refused_although_opencv_reads_it(tmp_path: Path) -> None:
    content = encode(noise(HEIGHT, WIDTH, 3), '.jpg')
    path = save(tmp_path / 'a.jpg', content[: len(content) // 2])
    assert cv2.imread(str(path)).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ValueError, match='truncated'):
        load_image(path)


def test_truncated_jpeg_with_a_whole_thumbnail_is_refused(tmp_path: Path) -> None:
    content = encode(noise(HEIGHT, WIDTH, 3), '.jpg')
    thumbnail = encode(noise(8, 8, 3), '.jpg')
    segment = b'\xff\xe1' + struct.pack('>H', len(thumbnail) + 2) + thumbnail
    whole = content[:2] + segment + content[2:]
    assert load_image(save(tmp_path / 'a.jpg', whole)).shape == (HEIGHT, WIDTH, 3)
    for length in (len(segment) + 2, len(whole) - 2):
        with pytest.raises(ValueError, match='truncated'):
            load_image(save(tmp_path / 'b.jpg', whole[:length]))


def test_truncated_png_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    content = encode(noise(HEIGHT, WIDTH, 3), '.png')
    for length in range(8, len(content), 97):
        with pytest.raises(ValueError, match=rf'a\.png is truncated: it ends after {length} bytes'):
            load_image(save(tmp_path / 'a.png', content[:length]))


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'', r'a\.png is empty \(0 bytes\)'), (b'<html>not found', r'a\.png cannot be decoded')],
)
def test_file_that_is_no_image_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_image(save(tmp_path / 'a.png', content))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'Image .*/a\.jpg does not exist'):
        load_image(tmp_path / 'a.jpg')
    with pytest.raises(FileNotFoundError, match=r'Mask .*/a\.png does not exist'):
        load_labels(tmp_path / 'a.png')


# Masks


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tif'])
def test_mask_is_read_as_written(tmp_path: Path, suffix: str) -> None:
    labels = noise(HEIGHT, WIDTH, high=3)
    labels[0] = 255
    path = save(tmp_path / f'a{suffix}', labels)
    results = {'num_classes': 3, 'ori_shape': (HEIGHT, WIDTH)}
    assert (load_labels(path, **results) == labels).all()
    assert load_labels(path, **results).dtype == np.uint8


def test_palette_and_one_bit_masks_are_ids(tmp_path: Path) -> None:
    labels = noise(HEIGHT, WIDTH, high=2)
    palette_mask = Image.fromarray(labels, mode='P')
    palette_mask.putpalette([90, 0, 0, 0, 90, 0])
    palette_mask.save(tmp_path / 'palette.png')
    Image.fromarray(labels.astype(bool)).save(tmp_path / 'bits.png')
    assert (load_labels(tmp_path / 'palette.png', num_classes=2) == labels).all()
    assert (load_labels(tmp_path / 'bits.png', num_classes=2) == labels).all()


def test_reduce_zero_label_then_label_map(tmp_path: Path) -> None:
    path = save(tmp_path / 'a.png', np.array([[0, 1, 2, 3, 255]], np.uint8))
    assert load_labels(path, reduce_zero_label=True).tolist() == [[255, 0, 1, 2, 255]]
    mapped = {'label_map': {0: 1, 1: 0, 2: 255}}
    assert load_labels(path, **mapped).tolist() == [[1, 0, 255, 3, 255]]
    assert load_labels(path, reduce_zero_label=True, **mapped).tolist() == [[255, 1, 0, 255, 255]]


def test_all_ignored_is_allowed(tmp_path: Path) -> None:
    labels = np.full((HEIGHT, WIDTH), 255, np.uint8)
    assert (load_labels(save(tmp_path / 'a.png', labels), num_classes=2) == 255).all()


def test_value_out_of_range_is_named_with_range_and_ways_out(tmp_path: Path) -> None:
    path = save(tmp_path / 'a.png', np.array([[1, 2, 3, 3, 9, 255]], np.uint8))
    with pytest.raises(ValueError, match='Mask') as error:
        load_labels(path, num_classes=3)
    text = str(error.value)
    for part in (str(path), 'value(s) 3, 9 in 3 pixels', '0..2 or 255', 'reduce_zero_label=True'):
        assert part in text
    with pytest.raises(ValueError, match=r'value\(s\) 8 in 1 pixels after reduce_zero_label'):
        load_labels(path, num_classes=3, reduce_zero_label=True)
    assert load_labels(path, num_classes=10).max() == 255
    assert load_labels(path).max() == 255  # no class count, no check


def test_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / 'a.png', noise(HEIGHT, WIDTH, high=2))
    with pytest.raises(ValueError, match=r'a\.png is 40 x 24 .*x\.jpg is 24 x 40'):
        load_labels(path, ori_shape=(WIDTH, HEIGHT))


def test_color_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'a\.png has 3 channels.*Convert colors to ids'):
        load_labels(save(tmp_path / 'a.png', noise(HEIGHT, WIDTH, 3)))


def test_16_bit_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'a\.png has (uint16|int32) pixels, expected uint8'):
        load_labels(save(tmp_path / 'a.png', noise(HEIGHT, WIDTH, dtype=np.uint16)))


def test_truncated_empty_or_foreign_mask_is_refused(tmp_path: Path) -> None:
    content = encode(noise(HEIGHT, WIDTH, high=2), '.png')
    with pytest.raises(ValueError, match=r'Mask .*a\.png is truncated'):
        load_labels(save(tmp_path / 'a.png', content[: len(content) // 2]))
    with pytest.raises(ValueError, match=r'Mask .*b\.png is empty'):
        load_labels(save(tmp_path / 'b.png', b''))
    with pytest.raises(ValueError, match=r'c\.png cannot be decoded'):
        load_labels(save(tmp_path / 'c.png', b'<html>not found'))
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 0xFF  # the checksum of the pixel data no longer fits
    with pytest.raises(ValueError, match=r'd\.png cannot be decoded'):
        load_labels(save(tmp_path / 'd.png', bytes(damaged)))


def test_unlabeled_sample_is_refused() -> None:
    with pytest.raises(ValueError, match=r'x\.jpg: the data set has no mask'):
        LoadLabels()({'img_path': 'x.jpg'})


# The check at start-up


@pytest.fixture
def dataset(tmp_path: Path) -> FolderDataset:
    """Six labelled images of two classes; mask 4 holds the id 2."""
    for name in ('images', 'masks'):
        (tmp_path / name).mkdir()
    for index in range(6):
        save(tmp_path / f'images/{index}.png', noise(HEIGHT, WIDTH, 3))
        save(tmp_path / f'masks/{index}.png', noise(HEIGHT, WIDTH, high=3 if index == 4 else 2))
    return folder(tmp_path, seg_map_path='masks')


def folder(root: Path, **prefix: str) -> FolderDataset:
    """Build the data set of two classes below ``root``."""
    return FolderDataset(
        classes=['x', 'y'],
        data_root=str(root),
        data_prefix={'img_path': 'images', **prefix},
        serialize_data=False,
    )


def test_check_finds_the_wrong_mask_when_all_are_read(dataset: FolderDataset) -> None:
    with pytest.raises(ValueError, match=r'masks/4\.png holds the value\(s\) 2'):
        check_labels(dataset, num_samples=100, seed=0)


def test_check_reads_a_seeded_sample(dataset: FolderDataset, tmp_path: Path) -> None:
    def outcome(seed: int) -> int | str:
        try:
            return check_labels(dataset, num_samples=3, seed=seed)
        except ValueError:
            return 'found'

    state = np.random.get_state()[1].copy()
    outcomes = [outcome(seed) for seed in range(40)]
    assert outcomes == [outcome(seed) for seed in range(40)]
    assert 8 < outcomes.count('found') < 32  # three of six are read: half of the draws find it
    assert set(outcomes) == {3, 'found'}
    assert (np.random.get_state()[1] == state).all()
    assert check_labels(folder(tmp_path), num_samples=3, seed=0) == 0  # unlabelled
