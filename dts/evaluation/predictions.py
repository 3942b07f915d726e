"""Predicted labels as PNG files, and pictures that a person can judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmseg.structures import SegDataSample
from numpy.typing import NDArray

OVERLAY_OPACITY = 0.6
GAP = 4  # white pixels between the parts of a picture


class PredictionWriter:
    """Write ``<stem>.png`` for every image, at the size of the image file.

    Args:
        out_dir: folder for predicted label maps (8 bit, class ids; plus one where the data set has
            ``reduce_zero_label``, so that they compare with its files); None writes none. The names
            are those that the test servers of Cityscapes, ACDC and Dark Zurich want.
        show_dir: folder for pictures ``image | label | prediction``; without labels the middle part
            is missing; None draws none.
        palette: RGB in [0, 255] per class; needed for pictures.
        file_ids: id in the files of every class, as ``SCORED_IDS`` of ``dts.datasets.raw_ids`` for
            Cityscapes; None writes the classes themselves.
    """

    def __init__(
        self,
        out_dir: Path | None,
        show_dir: Path | None,
        *,
        palette: Sequence[Sequence[int]] | None = None,
        file_ids: Sequence[int] | None = None,
    ) -> None:
        if show_dir is not None and not palette:
            raise ValueError(
                "pictures need colours: the data set gives no metainfo['palette']; set "
                'metainfo=dict(classes=(...), palette=[[r, g, b], ...]) in its config'
            )
        self.out_dir = out_dir
        self.show_dir = show_dir
        self.palette = np.array(palette or (), dtype=np.uint8)
        self.file_ids = None if file_ids is None else np.array(file_ids, dtype=np.uint8)
        self._written: dict[str, str] = {}

    def write(self, sample: SegDataSample) -> None:
        """Write the files of one image.

        Args:
            sample: with ``img_path`` and ``pred_sem_seg``.

        Raises:
            ValueError: if two images of the data set have the same stem.
        """
        if self.out_dir is None and self.show_dir is None:
            return
        path = sample.img_path
        stem = Path(path).stem
        if self._written.setdefault(stem, path) != path:
            raise ValueError(
                f'{path} and {self._written[stem]} have the same name, so their predictions would '
                'overwrite each other: rename one, or test the folders one at a time'
            )
        prediction = sample.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8)
        if self.out_dir is not None:
            labels = prediction + np.uint8(sample.get('reduce_zero_label', False))
            if self.file_ids is not None:
                labels = self.file_ids[prediction]
            mmcv.imwrite(labels, str(self.out_dir / f'{stem}.png'))
        if self.show_dir is not None:
            picture = self._draw(sample, prediction)
            mmcv.imwrite(picture, str(self.show_dir / f'{stem}.png'))

    def _draw(self, sample: SegDataSample, prediction: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return image, label and prediction side by side, (H, W', 3) uint8 BGR."""
        image = mmcv.imread(sample.img_path)
        maps = [prediction]
        if 'gt_sem_seg' in sample:
            maps.insert(0, sample.gt_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8))
        gap = np.full((image.shape[0], GAP, 3), 255, dtype=np.uint8)
        parts = [image]
        for labels in maps:
            parts += [gap, overlay(image, labels, self.palette)]
        return np.concatenate(parts, axis=1)


def overlay(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], palette: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Tint an image by its labels; pixels without a class (255) keep the image.

    Args:
        image: (H, W, 3) uint8 BGR.
        labels: (H, W) uint8.
        palette: (K, 3) uint8 RGB.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    has_class = labels < len(palette)
    colors = palette[np.where(has_class, labels, 0)][..., ::-1]
    opacity = OVERLAY_OPACITY * has_class[..., np.newaxis]
    mixed: NDArray[np.uint8] = np.rint(image * (1 - opacity) + colors * opacity).astype(np.uint8)
    return mixed
