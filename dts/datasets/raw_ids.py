"""What the ids of published label files stand for, so that no rewritten copies are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import mmcv
import numpy as np
from numpy.typing import NDArray

IGNORE_INDEX = 255
SCORED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label ids of the 19 classes of Cityscapes by train id (cityscapesScripts helpers/labels.py)."""


@dataclass(frozen=True)
class RawIds:
    """How the label files of a data set name its classes.

    Attributes:
        classes: id in the file -> class; all other ids are ignored.
        num_ids: ids in the files are 0..num_ids - 1.
        is_16_bit: whether a file has three 16-bit channels, the first of which (red) is the class.
        origin: which files these are, for messages.
    """

    classes: Mapping[int, int]
    num_ids: int
    origin: str
    is_16_bit: bool = False

    def to_classes(self, ids: NDArray[np.integer], path: str) -> NDArray[np.uint8]:
        """Map the ids of a file to classes.

        Args:
            ids: (H, W).
            path: of the file, for the error.

        Returns:
            (H, W) uint8, 255 = ignore.

        Raises:
            ValueError: if an id is out of range.
        """
        highest = int(ids.max(initial=0))
        if highest >= self.num_ids:
            raise ValueError(
                f'Mask {path} holds the id {highest}, expected 0..{self.num_ids - 1}: take '
                f'{self.origin}. Files with train ids end in labelTrainIds.png: set '
                '`seg_map_suffix` of the data set to their end.'
            )
        table = np.full(self.num_ids, IGNORE_INDEX, np.uint8)
        table[list(self.classes)] = list(self.classes.values())
        classes: NDArray[np.uint8] = table[ids]
        return classes


# Sources: lhoyer/DAFormer tools/convert_datasets/{gta,synthia}.py.
_CITYSCAPES = {number: index for index, number in enumerate(SCORED_IDS)}
_SYNTHIA = {3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 1: 10, 10: 11, 17: 12, 8: 13}
_SYNTHIA |= {19: 15, 12: 17, 11: 18}

RAW_IDS: Mapping[str, RawIds] = {
    'cityscapes': RawIds(_CITYSCAPES, 34, 'the original *_labelIds.png'),
    # Id 34 is the licence plate, which Cityscapes leaves out of its files.
    'gta5': RawIds(_CITYSCAPES, 35, 'the original palette images of labels/'),
    'synthia': RawIds(_SYNTHIA, 23, 'the original files of GT/LABELS', is_16_bit=True),
}
"""Name that a data set puts into its samples as ``raw_ids`` -> its ids."""


def decode_16_bit_mask(content: bytes, path: str) -> NDArray[np.uint16]:
    """Decode a label file of SYNTHIA: red = class, green = instance.

    Pillow would cut the channels to their upper 8 bits, which makes every class 0.

    Args:
        content: bytes of the file.
        path: of the file, for the error.

    Returns:
        (H, W) uint16 class ids.

    Raises:
        ValueError: if it is not a PNG of three 16-bit channels.
    """
    try:
        image = mmcv.imfrombytes(content, flag='unchanged', backend='cv2')
    except cv2.error:
        image = None
    if image is None:
        raise ValueError(f'Mask {path} cannot be decoded. Fetch it again.')
    if image.dtype != np.uint16 or image.shape[2:] != (3,):
        raise ValueError(
            f'Mask {path} has {image.dtype} pixels and shape {image.shape}, expected three 16-bit '
            'channels: take GT/LABELS of SYNTHIA-RAND-CITYSCAPES, not GT/COLOR.'
        )
    ids: NDArray[np.uint16] = image[..., -1]  # OpenCV stores blue first
    return ids
