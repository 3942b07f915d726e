"""Several views of one image, and the batch that they make."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.transforms import BaseTransform, Compose

from dts.registry import FUNCTIONS, TRANSFORMS
from dts.typing import ConfigType


@TRANSFORMS.register_module()
class Branches(BaseTransform):
    """Split a pipeline into named views; what ran before is shared by all of them.

    Geometry that weak and strong view must share (resize, crop, flip) goes before this transform.

    Args:
        branches: for each branch the transforms that end in ``PackSegInputs``.
    """

    def __init__(self, branches: Mapping[str, Sequence[ConfigType]]) -> None:
        self.branches = {name: Compose(list(steps)) for name, steps in branches.items()}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Run every branch on its own copy.

        Args:
            results: the sample after the shared transforms.

        Returns:
            ``inputs`` and ``data_samples``, each keyed by branch.
        """
        packed = {name: steps(copy.deepcopy(results)) for name, steps in self.branches.items()}
        return {
            key: {name: branch[key] for name, branch in packed.items()}
            for key in ('inputs', 'data_samples')
        }


@FUNCTIONS.register_module()
def collate_branches(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge samples of different streams into one batch, branch by branch.

    Args:
        samples: outputs of ``Branches``; each stream fills branches of its own.

    Returns:
        ``inputs`` (branch -> list of (3, H, W) uint8) and ``data_samples`` (branch -> list), each
        in the order of the samples.
    """
    batch: dict[str, Any] = {'inputs': {}, 'data_samples': {}}
    for sample in samples:
        for key, merged in batch.items():
            for name, value in sample[key].items():
                merged.setdefault(name, []).append(value)
    return batch
