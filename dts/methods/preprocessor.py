"""Normalisation and padding of a batch that holds several branches."""

from __future__ import annotations

from itertools import islice
from typing import Any

from mmengine.model import BaseDataPreprocessor
from torch import nn


class BranchDict(dict[str, Any]):
    """The branches of a batch by name; a missing one is an error that says what to change."""

    def __missing__(self, name: str) -> Any:
        """Say what the batch holds and which keys of the config decide that.

        Args:
            name: the branch that is not there.

        Raises:
            KeyError: always.
        """
        raise KeyError(
            f'the batch has no branch {name!r}, only {list(self)}: write it in `branches` of '
            'dts.Branches in a pipeline of train_dataloader.dataset.streams, and let '
            'train_dataloader.sampler.batch draw from that stream'
        )


class BranchDataPreprocessor(BaseDataPreprocessor):
    """Hand all branches together to the data preprocessor of the student.

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
            The batch on the device, with float images (B, 3, H, W) per branch, all of one size.
        """
        if not isinstance(data['inputs'], dict):
            return self.data_preprocessor(data, training)
        # All branches in one call, so that they are padded to one size and normalised at once.
        merged = {
            key: [value for values in branches.values() for value in values]
            for key, branches in data.items()
        }
        processed = self.data_preprocessor(merged, training)
        counts = [len(images) for images in data['inputs'].values()]
        samples = iter(processed['data_samples'])
        return {
            'inputs': BranchDict(
                zip(data['inputs'], processed['inputs'].split(counts), strict=True)
            ),
            'data_samples': BranchDict(
                (branch, list(islice(samples, count)))
                for branch, count in zip(data['inputs'], counts, strict=True)
            ),
        }
