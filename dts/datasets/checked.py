"""Segmentation data set whose lists and files are checked when it is built."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.fileio import list_dir_or_file, list_from_file
from mmseg.datasets import BaseSegDataset

NUM_NAMED = 3
"""How many missing files an error names; the rest is counted."""


class CheckedSegDataset(BaseSegDataset):
    """Stock image/mask data set that refuses empty lists and missing files at construction.

    Takes the arguments of ``mmseg.BaseSegDataset``. An unlabelled data set is one whose
    ``data_prefix`` has no ``seg_map_path``: its samples carry no label path, so no mask folder is
    needed and none is opened. Files behind ``backend_args`` (remote storage) are not checked.

    Raises:
        FileNotFoundError: if the list file, the image folder, an image or a mask is missing;
            names the list file and line, the first missing files and their number.
        ValueError: if the list or the folder is empty.
    """

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the list file (or the folder), pair images with masks and check that all exist.

        Returns:
            One dictionary per image with ``img_path``, ``seg_map_path`` (labelled sets only),
            ``label_map``, ``reduce_zero_label`` and ``seg_fields``.
        """
        entries = list(self.list_entries())
        if not entries:
            source = f'list {self.ann_file}' if self.ann_file else f'folder {self.image_dir}'
            raise ValueError(
                f'The {source} of {type(self).__name__} names no image. Expected at least one '
                f'{"stem a line" if self.ann_file else self.image_kind()}; check `ann_file`, '
                '`data_root` and `data_prefix.img_path` in the config.'
            )
        infos = [self.make_info(stem) for stem, _ in entries]
        if self.backend_args is None:
            origins = [origin for _, origin in entries]
            self._check_exist('img_path', infos, origins)
            if self.mask_dir is not None:
                self._check_exist('seg_map_path', infos, origins)
        return infos

    @property
    def image_dir(self) -> str:
        """Folder of the images."""
        return str(self.data_prefix['img_path'])

    @property
    def mask_dir(self) -> str | None:
        """Folder of the masks, or None for an unlabelled set."""
        folder = self.data_prefix.get('seg_map_path')
        return None if folder is None else str(folder)

    def image_kind(self) -> str:
        """Say which files count as images, for messages."""
        return f'*{self.img_suffix} file'

    def list_entries(self) -> Iterator[tuple[str, str]]:
        """Yield (stem, where it was named) from the list file, else from the sorted folder."""
        if self.ann_file:
            for number, line in self.list_lines():
                yield line, f'{self.ann_file}, line {number}'
            return
        for name in sorted(self.list_files(self.image_dir)):
            if name.endswith(self.img_suffix):
                yield name.removesuffix(self.img_suffix), self.image_dir

    def list_lines(self) -> Iterator[tuple[int, str]]:
        """Yield (line number from 1, text) of the list file; blank lines are skipped."""
        if self.backend_args is None and not osp.isfile(self.ann_file):
            raise FileNotFoundError(
                f'List file {self.ann_file} of {type(self).__name__} does not exist. Check '
                '`ann_file` and `data_root` in the config, or set the environment variable '
                'DTS_DATA_ROOT to the folder that holds the data sets.'
            )
        lines = list_from_file(self.ann_file, backend_args=self.backend_args)
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line.strip()

    def list_files(self, folder: str) -> Iterable[str]:
        """List the files below a folder as relative paths, hidden ones left out.

        Args:
            folder: path of the folder, searched with its subfolders.
        """
        if self.backend_args is None and not osp.isdir(folder):
            raise FileNotFoundError(
                f'Folder {folder} of {type(self).__name__} does not exist. Check `data_root` and '
                '`data_prefix` in the config, or set the environment variable DTS_DATA_ROOT to '
                'the folder that holds the data sets.'
            )
        files: Iterable[str] = list_dir_or_file(
            folder, list_dir=False, recursive=True, backend_args=self.backend_args
        )
        return files

    def make_info(self, stem: str) -> dict[str, Any]:
        """Build the sample description of one stem, in the format of ``BaseSegDataset``.

        Args:
            stem: path relative to the image folder, without suffix.
        """
        info: dict[str, Any] = {'img_path': osp.join(self.image_dir, stem + self.img_suffix)}
        if self.mask_dir is not None:
            info['seg_map_path'] = osp.join(self.mask_dir, stem + self.seg_map_suffix)
        return info | {
            'label_map': self.label_map,
            'reduce_zero_label': self.reduce_zero_label,
            'seg_fields': [],
        }

    def _check_exist(self, key: str, infos: list[dict[str, Any]], origins: list[str]) -> None:
        """Raise one error for all files of ``key`` that are not there; one listing per folder."""
        present: dict[str, set[str]] = {}
        missing = []
        for info, origin in zip(infos, origins, strict=True):
            folder, name = osp.split(info[key])
            if folder not in present:
                present[folder] = set(os.listdir(folder)) if osp.isdir(folder) else set()
            if name not in present[folder]:
                missing.append(f'{info[key]} (named in {origin})')
        if missing:
            kind = 'images' if key == 'img_path' else 'masks'
            first = '\n  '.join(missing[:NUM_NAMED])
            raise FileNotFoundError(
                f'{len(missing)} of {len(infos)} {kind} of {type(self).__name__} are missing, '
                f'first:\n  {first}\n{self.missing_hint(key)}'
            )

    def missing_hint(self, key: str) -> str:
        """Say how to repair missing files of ``key``.

        Args:
            key: ``img_path`` or ``seg_map_path``.
        """
        if key == 'img_path':
            return (
                f'A list holds one stem a line, without the suffix {self.img_suffix!r}; images are '
                'looked up in `data_prefix.img_path`.'
            )
        return (
            f'Every image of a labelled set needs a mask STEM{self.seg_map_suffix} in '
            '`data_prefix.seg_map_path`. For unlabelled images leave `seg_map_path` out of '
            '`data_prefix`.'
        )
