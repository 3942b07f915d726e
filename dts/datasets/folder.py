"""Images of one's own in a folder, with or without a folder of masks."""

from __future__ import annotations

import colorsys
import os.path as osp
from collections.abc import Iterator, Sequence
from typing import Any

from dts.datasets.checked import NUM_NAMED, CheckedSegDataset
from dts.registry import DATASETS

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp')
MASK_SUFFIXES = ('.png', '.tif', '.tiff', '.bmp')  # no JPEG: lossy, it invents ids at borders
MAX_CLASSES = 255  # ids are 8-bit and 255 means "ignore"


@DATASETS.register_module()
class FolderDataset(CheckedSegDataset):
    """A folder of images (JPEG, PNG, TIFF, BMP; mixed, any case) and one of masks of equal stems.

    Masks are one-channel PNG, TIFF or BMP files of class ids, 255 = ignore. Subfolders are
    searched; the stem of ``city/a.JPG`` is ``city/a`` and its mask ``city/a.png``. Without
    ``data_prefix.seg_map_path`` the images are unlabelled. A list (``ann_file``) names one stem
    or file name a line; without it all images of the folder are taken.

    Args:
        classes: class names in the order of the ids.
        palette: one RGB color in 0..255 for each class; None makes distinct ones, black for a class
            named ``background``.
        data_prefix: ``img_path`` and, for labelled images, ``seg_map_path``.
        **kwargs: the other arguments of ``CheckedSegDataset``.

    Raises:
        FileNotFoundError: as ``CheckedSegDataset``.
        ValueError: if classes repeat, are none or more than 255, if palette and classes differ in
            length, or if two files have one stem.
    """

    def __init__(
        self,
        classes: Sequence[str],
        palette: Sequence[Sequence[int]] | None = None,
        *,
        data_prefix: dict[str, str],
        **kwargs: Any,
    ) -> None:
        if isinstance(classes, str) or not 0 < len(classes) <= MAX_CLASSES:
            raise ValueError(
                f'`classes` must be a list of 1 to {MAX_CLASSES} names, got {classes!r}.'
            )
        if len(set(classes)) != len(classes):
            raise ValueError(f'`classes` holds a name twice: {list(classes)}.')
        colors = default_palette(classes) if palette is None else [list(c) for c in palette]
        if len(colors) != len(classes):
            raise ValueError(
                f'`palette` has {len(colors)} colors for {len(classes)} classes. Give one for '
                'each class, or leave it out.'
            )
        for key in ('metainfo', 'img_suffix', 'seg_map_suffix'):
            if key in kwargs:
                raise ValueError(
                    f'dts.FolderDataset takes no `{key}`: names come from `classes` and '
                    '`palette`, suffixes from the files themselves.'
                )
        self._images: dict[str, str] = {}
        self._masks: dict[str, str] = {}
        metainfo = {'classes': tuple(classes), 'palette': colors}
        super().__init__(metainfo=metainfo, data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Index both folders by stem, then list and check as ``CheckedSegDataset`` does."""
        self._images = self._index(self.image_dir, IMAGE_SUFFIXES)
        self._masks = {} if self.mask_dir is None else self._index(self.mask_dir, MASK_SUFFIXES)
        return super().load_data_list()

    def image_kind(self) -> str:
        """Say which files count as images, for messages."""
        return f'file of {", ".join(IMAGE_SUFFIXES)}'

    def list_entries(self) -> Iterator[tuple[str, str]]:
        """Yield (stem, where it was named) from the list file, else from the sorted folder."""
        if not self.ann_file:
            yield from ((stem, self.image_dir) for stem in sorted(self._images))
            return
        stem_of = {name: stem for stem, name in self._images.items()}
        for number, line in self.list_lines():
            yield stem_of.get(line, line), f'{self.ann_file}, line {number}'

    def make_info(self, stem: str) -> dict[str, Any]:
        """Build the sample description of one stem from the files that were found.

        Args:
            stem: path relative to the image folder, without suffix.
        """
        info = super().make_info(stem)
        info['img_path'] = osp.join(self.image_dir, self._images.get(stem, stem))
        if self.mask_dir is not None:
            info['seg_map_path'] = osp.join(self.mask_dir, self._masks.get(stem, f'{stem}.png'))
        return info

    def missing_hint(self, key: str) -> str:
        """Say how to repair missing files of ``key``.

        Args:
            key: ``img_path`` or ``seg_map_path``.
        """
        if key == 'img_path':
            return (
                'A list holds one stem or file name a line, relative to `data_prefix.img_path`; '
                f'images are files of {", ".join(IMAGE_SUFFIXES)}.'
            )
        return (
            'Every image of a labelled set needs a mask of the same stem '
            f'({", ".join(MASK_SUFFIXES)}) in `data_prefix.seg_map_path`. Name the labelled images '
            'in a list (`ann_file`), or leave `seg_map_path` out for unlabelled images.'
        )

    def _index(self, folder: str, suffixes: tuple[str, ...]) -> dict[str, str]:
        """Map stem to relative file name; the suffix is compared without case."""
        names: dict[str, list[str]] = {}
        for name in sorted(self.list_files(folder)):
            stem, suffix = osp.splitext(name)
            if suffix.lower() in suffixes:
                names.setdefault(stem, []).append(name)
        double = [files for files in names.values() if len(files) > 1]
        if double:
            first = '; '.join(', '.join(files) for files in double[:NUM_NAMED])
            raise ValueError(
                f'{len(double)} stem(s) in {folder} belong to more than one file, first: {first}. '
                'Masks are matched by stem: rename the files or remove the copies.'
            )
        return {stem: files[0] for stem, files in names.items()}


def default_palette(classes: Sequence[str]) -> list[list[int]]:
    """Return a color for each class: black for ``background``, distinct ones for the others.

    Args:
        classes: their names.
    """
    colors = distinct_palette(len(classes))
    return [
        [0, 0, 0] if name == 'background' else color
        for name, color in zip(classes, colors, strict=True)
    ]


def distinct_palette(num_classes: int) -> list[list[int]]:
    """Return RGB colors in 0..255 that differ in hue by the golden section, the same every time.

    Args:
        num_classes: number of colors, at most 255.

    Returns:
        ``num_classes`` lists of three integers, no two equal.
    """
    golden_section = 0.618034
    tones = ((0.85, 0.95), (0.55, 0.80), (0.95, 0.60))  # saturation, value
    colors = []
    for index in range(num_classes):
        saturation, value = tones[index % len(tones)]
        rgb = colorsys.hsv_to_rgb(index * golden_section % 1.0, saturation, value)
        colors.append([round(255 * channel) for channel in rgb])
    return colors
