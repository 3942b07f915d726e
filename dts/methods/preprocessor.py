"""Normalisation and padding of a batch that holds several branches."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseDataPreprocessor
from torch import nn


class BranchDataPreprocessor(BaseDataPreprocessor):
    """Hand every branch to the data preprocessor of the student.

    Args:
        data_preprocessor: the student's own, for example ``SegDataPreProcessor``.
    """

    def __init__(self, data_preprocessor: nn.Module) -> None:
        super().__init__()
        self.data_preprocessor = data_preprocessor

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Preprocess a batch.

        Args:
            data: a batch of MMSeg (validation, test), or one keyed by branch (training).
            training: whether images are padded to a common size.

        Returns:
            The batch on the device, with float images (B, 3, H, W) per branch.
        """
        if not isinstance(data['inputs'], dict):
            return self.data_preprocessor(data, training)
        batch: dict[str, Any] = {'inputs': {}, 'data_samples': {}}
        for branch, images in data['inputs'].items():
            samples = data['data_samples'][branch]
            processed = self.data_preprocessor(
                {'inputs': images, 'data_samples': samples}, training
            )
            batch['inputs'][branch] = processed['inputs']
            batch['data_samples'][branch] = processed['data_samples']
        return batch
