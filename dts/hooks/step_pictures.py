"""Hook that writes what a step saw and made as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from numpy.typing import NDArray
from torch import Tensor

from dts.hooks.teacher_hook import unwrap
from dts.mixing.color import mean_and_std
from dts.registry import HOOKS

IMAGE_NDIM = 4
GAP = 4
MIN_TITLE_HEIGHT = 16
TITLE_SHARE = 16  # a title is at least one 16th of the width of its column high
IGNORE_COLOR = (255, 0, 255)


@HOOKS.register_module()
class StepPicturesHook(Hook):
    """Write images, labels, masks and weights of a step through the visualizer.

    One row per image, one column per tensor that the method exposes, under its name: images in
    their colours, labels in the palette of the data set (ignored pixels in magenta), masks and
    weights in grey from 0 to 1. Tensors that are exposed together share rows; others, which may be
    of other images or of another number of them (masked images of MIC), stand below. Nothing is
    copied in steps in between. The local backend of MMEngine writes
    ``vis_data/vis_image/step_<iteration>.png``.

    Args:
        interval: iterations between two pictures; the first step is one.
        num_images: rows, at most, of tensors that are exposed together; fewer where a branch of the
            batch holds fewer images.

    Raises:
        ValueError: if one of them is below 1.
    """

    def __init__(self, interval: int = 500, num_images: int = 2) -> None:
        for name, value in (('interval', interval), ('num_images', num_images)):
            if value < 1:
                raise ValueError(f'{name} of StepPicturesHook must be at least 1, got {value}')
        self.interval = interval
        self.num_images = num_images
        self._blocks: dict[tuple[str, ...], list[Tensor]] = {}
        self._is_due = False

    def before_train(self, runner: Runner) -> None:
        """Start to watch the method.

        Args:
            runner: the runner.
        """
        unwrap(runner).observers.append(self._keep)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Decide whether this step is drawn.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
        """
        self._is_due = batch_idx % self.interval == 0

    def _keep(self, tensors: Mapping[str, Tensor]) -> None:
        """Keep the first images of a step that is drawn; of several groups those of the first."""
        if self._is_due:
            kept = [tensor[: self.num_images] for tensor in tensors.values()]
            self._blocks.setdefault(tuple(tensors), kept)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Draw the step.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
            outputs: not used.
        """
        if not self._blocks:
            return
        streams = runner.train_dataloader.dataset.streams
        palette = np.array(next(iter(streams.values())).metainfo['palette'], dtype=np.uint8)
        preprocessor = unwrap(runner).student.data_preprocessor
        sheets = []
        for names, tensors in self._blocks.items():
            rows = min(len(tensor) for tensor in tensors)  # branches differ in size
            columns = [draw(tensor[:rows], preprocessor, palette) for tensor in tensors]
            sheets.append(np.concatenate([titles(names, columns[0].shape[2]), join(columns)]))
        runner.visualizer.add_image('step', stack(sheets), step=batch_idx + 1)
        self._blocks = {}


def draw(tensor: Tensor, preprocessor: Any, palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pictures of a batch.

    Args:
        tensor: normalised images (B, 3, H, W), labels (B, H, W) integer, or masks and weights
            (B, H, W) bool or float in [0, 1].
        preprocessor: that normalised the images.
        palette: (K, 3) red, green, blue.

    Returns:
        (B, H, W, 3), red, green, blue.

    Raises:
        ValueError: if ``preprocessor`` does not normalise.
    """
    if tensor.ndim == IMAGE_NDIM:
        mean, std = mean_and_std(preprocessor)
        images = tensor.float() * std + mean
        images = images if preprocessor.channel_conversion else images.flip(1)
        pixels: NDArray[np.uint8] = images.clamp(0, 255).round().byte().cpu().numpy()
        return pixels.transpose(0, 2, 3, 1)
    if tensor.is_floating_point() or tensor.dtype.itemsize == 1:
        grey = (tensor.float() * 255).round().byte().cpu().numpy()
        return np.repeat(grey[..., None], 3, axis=-1)
    table = np.empty((256, 3), dtype=np.uint8)
    table[:] = IGNORE_COLOR
    table[: len(palette)] = palette
    return table[tensor.cpu().numpy()]


def join(columns: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put pictures side by side, images of the batch below each other.

    Args:
        columns: (B, H, W, 3) each, of one size.

    Returns:
        One picture, white between its parts.
    """
    padded = [np.pad(c, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255) for c in columns]
    rows = np.concatenate(padded, axis=2)  # (B, H + gap, columns (W + gap), 3)
    return rows.reshape(-1, *rows.shape[2:])


def stack(sheets: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put pictures below each other, white on the right of narrower ones.

    Args:
        sheets: (H, W, 3) each, of any sizes.

    Returns:
        (sum of H, largest W, 3).
    """
    width = max(sheet.shape[1] for sheet in sheets)
    margins = [((0, 0), (0, width - sheet.shape[1]), (0, 0)) for sheet in sheets]
    padded = [np.pad(s, m, constant_values=255) for s, m in zip(sheets, margins, strict=True)]
    return np.concatenate(padded)


def titles(names: Sequence[str], width: int) -> NDArray[np.uint8]:
    """Write names, each over its column and no wider than it.

    Args:
        names: one per column of ``join``.
        width: of a column in pixels, without the gap.

    Returns:
        (H, columns (W + gap), 3), black on white.
    """
    height = max(MIN_TITLE_HEIGHT, width // TITLE_SHARE)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, height / 32
    strips = []
    for name in names:
        (length, _), _ = cv2.getTextSize(name, font, scale, 1)
        fitted = scale * min(1.0, width / length)
        strip = np.full((height, width + GAP, 3), 255, dtype=np.uint8)
        cv2.putText(strip, name, (0, height * 3 // 4), font, fitted, (0, 0, 0), 1, cv2.LINE_AA)
        strip[:, width:] = 255
        strips.append(strip)
    return np.concatenate(strips, axis=1)
