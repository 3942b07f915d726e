"""Loading of images and label masks with one clear error for each way a file can be wrong."""

from __future__ import annotations

from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset
from mmseg.datasets.transforms import LoadAnnotations
from numpy.typing import NDArray

from dts.datasets.raw_ids import RAW_IDS, decode_16_bit_mask
from dts.datasets.transforms.complete_file import JPEG_START, read_complete
from dts.registry import TRANSFORMS

IGNORE_INDEX = 255
BGR, BGRA = 3, 4  # channels
OPAQUE = 255
MASK_AXES = 2  # height, width
MAX_SHOWN = 8  # wrong values that an error lists


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Load an 8-bit image as BGR, refusing files that OpenCV would read wrongly without a word.

    JPEG files are turned according to their EXIF orientation, as by the stock transform. Grey
    images are replicated to three channels. An alpha channel that is opaque everywhere is dropped.
    Each file is read and decoded once.

    Args:
        backend_args: file backend of MMEngine; None reads local files.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is empty, truncated, not an image, not 8-bit, or transparent.
    """

    def __init__(self, *, backend_args: dict[str, Any] | None = None) -> None:
        super().__init__(backend_args=backend_args)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape`` (H, W).

        Args:
            results: the sample, with ``img_path``.
        """
        path = results['img_path']
        content = read_complete(path, self.backend_args, 'Image')
        is_jpeg = content.startswith(JPEG_START)
        # A JPEG is always 8-bit without alpha. Other formats are decoded as they are, because the
        # color flag would quietly cut 16 bits to 8 and drop transparency.
        try:
            image = mmcv.imfrombytes(content, flag='color' if is_jpeg else 'unchanged')
        except cv2.error:
            image = None
        if image is None:
            raise ValueError(
                f'Image {path} cannot be decoded ({len(content)} bytes). Expected JPEG, PNG, TIFF '
                'or BMP. Fetch or export the file again, or take it out of the list.'
            )
        image = _to_three_channels(image, path)
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results['ori_shape'] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadLabels(LoadAnnotations):
    """Load a one-channel 8-bit label mask and check it against the image and the class count.

    Ids that a data set announces by ``raw_ids`` become classes, see ``dts.datasets.raw_ids``. Then
    ``reduce_zero_label`` and ``label_map`` of the data set are applied as by the stock transform.
    The size is checked when ``results`` holds ``ori_shape``, the values when it holds
    ``num_classes``. A mask that is 255 everywhere is allowed.

    Args:
        backend_args: file backend of MMEngine; None reads local files.

    Raises:
        FileNotFoundError: if the mask does not exist.
        ValueError: if it is empty, truncated, colored, not 8-bit, of another size than the image,
            or holds a value outside [0, num_classes - 1] that is not 255.
    """

    def __init__(self, *, backend_args: dict[str, Any] | None = None) -> None:
        super().__init__(backend_args=backend_args)

    def _load_seg_map(self, results: dict[str, Any]) -> None:
        """Add ``gt_seg_map`` (H, W) uint8 with values in [0, num_classes - 1] or 255."""
        if 'seg_map_path' not in results:
            raise ValueError(
                f'No mask is known for image {results.get("img_path")}: the data set has no mask '
                'folder. Set `data_prefix.seg_map_path`, or take dts.LoadLabels out of the '
                'pipeline if the images are unlabelled.'
            )
        path = results['seg_map_path']
        content = read_complete(path, self.backend_args, 'Mask')
        labels = _read_classes(content, path, results.get('raw_ids'))
        if 'ori_shape' in results and labels.shape != tuple(results['ori_shape'][:2]):
            raise ValueError(
                f'Mask {path} is {_size(labels.shape)}, its image {results.get("img_path")} is '
                f'{_size(results["ori_shape"])}. Both must have one size: export the mask again, '
                'or resize it without interpolation. If the sides are swapped, the image carries '
                'an EXIF rotation that the mask does not follow.'
            )
        labels = _remap(labels, results.get('reduce_zero_label', False), results.get('label_map'))
        if 'num_classes' in results:
            _check_range(labels, results, path)
        results['gt_seg_map'] = labels
        results.setdefault('seg_fields', []).append('gt_seg_map')


def check_labels(dataset: BaseDataset, num_samples: int, seed: int) -> int:
    """Load a seeded sample of images with their masks, so that wrong files show before training.

    Args:
        dataset: data set whose samples have ``img_path`` and, if labelled, ``seg_map_path``.
        num_samples: at most so many samples are read, drawn without repetition.
        seed: the same seed draws the same samples.

    Returns:
        Number of masks read; 0 for an unlabelled data set.

    Raises:
        FileNotFoundError, ValueError: as ``LoadImage`` and ``LoadLabels``, for the first wrong one.
    """
    order = np.random.default_rng(seed).permutation(len(dataset))[:num_samples]
    backend_args = getattr(dataset, 'backend_args', None)
    load_image = LoadImage(backend_args=backend_args)
    load_labels = LoadLabels(backend_args=backend_args)
    num_checked = 0
    for index in order:
        info = dataset.get_data_info(int(index))
        if 'seg_map_path' in info:
            info['num_classes'] = len(dataset.metainfo['classes'])
            load_labels(load_image(info))
            num_checked += 1
    return num_checked


def _to_three_channels(image: NDArray[Any], path: str) -> NDArray[np.uint8]:
    """Bring a decoded image to (H, W, 3) uint8 or say why that would lose something."""
    if image.dtype != np.uint8:
        raise ValueError(
            f'Image {path} has {image.dtype} pixels, expected uint8 (8 bits per channel). Scale it '
            'to 8 bits yourself, with one fixed range for all images of the data set.'
        )
    image = np.atleast_3d(image)
    num_channels = image.shape[2]
    if num_channels == BGRA:
        if image[..., 3].min() < OPAQUE:
            raise ValueError(
                f'Image {path} has an alpha channel with transparent pixels. Expected an opaque '
                'image: flatten it on a background of your choice and save it without alpha.'
            )
        return np.ascontiguousarray(image[..., :3])
    if num_channels == 1:
        return np.repeat(image, BGR, axis=2)
    if num_channels != BGR:
        raise ValueError(
            f'Image {path} has {num_channels} channels, expected 1 (grey), 3 (color) or 4 with '
            'opaque alpha.'
        )
    return image


def _read_classes(content: bytes, path: str, raw_ids: str | None) -> NDArray[np.uint8]:
    """Decode a mask, and map published ids to classes."""
    if raw_ids is None:
        return _decode_mask(content, path)
    raw = RAW_IDS[raw_ids]
    decode = decode_16_bit_mask if raw.is_16_bit else _decode_mask
    return raw.to_classes(decode(content, path), path)


def _decode_mask(content: bytes, path: str) -> NDArray[np.uint8]:
    """Decode a mask of class ids; palette images give their indices."""
    try:
        labels = mmcv.imfrombytes(content, flag='unchanged', backend='pillow')
    except (OSError, SyntaxError, ValueError) as error:  # Pillow: broken PNG is a SyntaxError
        raise ValueError(
            f'Mask {path} cannot be decoded ({error}). Export it again as a one-channel 8-bit PNG.'
        ) from error
    if labels.ndim != MASK_AXES:
        raise ValueError(
            f'Mask {path} has {labels.shape[2]} channels, expected 1 channel of class ids. Convert '
            'colors to ids (0..classes-1, 255 = ignore) and save a one-channel PNG.'
        )
    if labels.dtype not in (np.uint8, np.bool_):
        raise ValueError(
            f'Mask {path} has {labels.dtype} pixels, expected uint8. Save ids 0..254 and 255 '
            '(ignore) as an 8-bit PNG.'
        )
    ids: NDArray[np.uint8] = labels.astype(np.uint8)
    return ids


def _remap(
    labels: NDArray[np.uint8], reduce_zero_label: bool, label_map: dict[int, int] | None
) -> NDArray[np.uint8]:
    """Apply ``reduce_zero_label`` (0 -> 255, others minus one), then ``label_map``."""
    table = np.arange(256, dtype=np.uint8)
    if reduce_zero_label:
        table = table - np.uint8(1)  # wraps 0 to 255
        table[IGNORE_INDEX] = IGNORE_INDEX
    if label_map is not None:
        mapped = np.arange(256, dtype=np.uint8)
        mapped[list(label_map.keys())] = list(label_map.values())
        table = mapped[table]
    elif not reduce_zero_label:
        return labels
    remapped: NDArray[np.uint8] = table[labels]
    return remapped


def _check_range(labels: NDArray[np.uint8], results: dict[str, Any], path: str) -> None:
    """Refuse values that name no class; two passes over the bytes in the good case."""
    num_classes = results['num_classes']
    outside = (labels >= num_classes) & (labels != IGNORE_INDEX)
    if not outside.any():
        return
    values = np.unique(labels[outside])
    shown = ', '.join(map(str, values[:MAX_SHOWN])) + (', ...' if len(values) > MAX_SHOWN else '')
    steps = [
        name
        for name in ('reduce_zero_label', 'label_map')
        if results.get(name) not in (None, False)
    ]
    after = f' after {" and ".join(steps)}' if steps else ''
    raise ValueError(
        f'Mask {path} holds the value(s) {shown} in {int(outside.sum())} pixels{after}, expected '
        f'0..{num_classes - 1} or {IGNORE_INDEX} (ignore) for {num_classes} classes. If ids start '
        'at 1, set `reduce_zero_label=True` in the data set (0 becomes ignore) or subtract 1; if '
        'other values mean "unlabelled", write them as 255; if classes are missing, complete the '
        '`classes` of the data set and `num_classes` of the model.'
    )


def _size(shape: tuple[int, ...]) -> str:
    """Write (H, W) as 'W x H'."""
    return f'{shape[1]} x {shape[0]} (width x height)'
