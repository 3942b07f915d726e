"""What the networks of a checkpoint predict on some test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor

import dts.all  # noqa: F401 - registers what configs name
from dts.config import student_config
from dts.evaluation.checkpoint_models import CheckpointModels
from dts.evaluation.metric import confusion_matrix
from dts.evaluation.models import evaluation_mode
from dts.hooks.coupling import relative_distance
from dts.registry import DATASETS

IGNORE_INDEX = 255


@dataclass(frozen=True)
class ImageMaps:
    """One image and what every network says of it.

    Attributes:
        path: of the image file.
        image: (H, W, 3) uint8, BGR.
        labels: (H, W) uint8, 255 where there is none.
        predictions: network -> (H, W) uint8.
        confidences: network -> (H, W) float32 in [0, 1], the highest class probability.
        matrices: network -> (K, K) int64 counts of the image; rows are labels.
    """

    path: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    predictions: Mapping[str, NDArray[np.uint8]]
    confidences: Mapping[str, NDArray[np.float32]]
    matrices: Mapping[str, Tensor]


class PredictedImages:
    """Evenly spaced images of a test set, under the networks of a checkpoint.

    Args:
        config: resolved config of the run.
        checkpoint: the file.
        num_images: at most so many.

    Attributes:
        networks: name -> network; the first one is the product.
        classes: their names.
        palette: (K, 3) uint8, RGB.
        indices: of the images in the test set.
        num_total: images of the test set.

    Raises:
        ValueError: if the config has no test set, or the file does not fit the config.
    """

    def __init__(self, config: Mapping[str, Any], checkpoint: Path, num_images: int) -> None:
        if not config.get('test_dataloader'):
            raise ValueError('the config has no test_dataloader, so there are no images to predict')
        init_default_scope(config.get('default_scope') or 'mmseg')
        import_modules_from_strings(**config.get('custom_imports') or {'imports': []})
        cfg = ConfigDict(config)  # segmentors of MMSeg read their settings as attributes
        self.models = CheckpointModels(student_config(cfg.model), str(checkpoint))
        self.models.to(get_device())
        self.networks: dict[str, Any] = dict(self.models.networks)  # segmentors
        self.dataset = DATASETS.build(cfg.test_dataloader.dataset)
        self.classes: Sequence[str] = self.dataset.metainfo['classes']
        self.palette = np.array(self.dataset.metainfo['palette'], dtype=np.uint8)
        self.num_total = len(self.dataset)
        count = min(num_images, self.num_total)
        self.indices = [int(i) for i in np.linspace(0, self.num_total - 1, count).round()]

    def __iter__(self) -> Iterator[ImageMaps]:
        with evaluation_mode(self.networks), torch.no_grad():
            for index in self.indices:
                yield self._predict(index)

    def distances(self) -> dict[str, float]:
        """Return ||network - student|| / ||student|| of every other network of the same shape."""
        student = self.networks.get('student')
        if student is None:
            return {}
        others = {n: net for n, net in self.networks.items() if net is not student}
        return {name: float(relative_distance(net, student)) for name, net in others.items()}

    def _predict(self, index: int) -> ImageMaps:
        """Ask every network about one image."""
        batch = pseudo_collate([self.dataset[index]])
        samples = {name: net.test_step(batch)[0] for name, net in self.networks.items()}
        sample = next(iter(samples.values()))
        if 'gt_sem_seg' not in sample:
            raise ValueError(f'{sample.img_path}: no label, the test set is not labelled')
        labels = sample.gt_sem_seg.data.squeeze(0).cpu()
        return ImageMaps(
            path=sample.img_path,
            image=mmcv.imread(sample.img_path),
            labels=labels.numpy().astype(np.uint8),
            predictions={name: _classes(s) for name, s in samples.items()},
            confidences={name: _confidence(s) for name, s in samples.items()},
            matrices={name: self._count(labels, s) for name, s in samples.items()},
        )

    def _count(self, labels: Tensor, sample: SegDataSample) -> Tensor:
        """Return the confusion matrix of one image."""
        is_scored = labels != IGNORE_INDEX
        predicted = sample.pred_sem_seg.data.squeeze(0).cpu()
        scored = labels[is_scored].long()
        if len(scored) and int(scored.max()) >= len(self.classes):
            raise ValueError(
                f'{sample.img_path}: label value {int(scored.max())}, expected 0 to '
                f'{len(self.classes) - 1} or {IGNORE_INDEX}'
            )
        return confusion_matrix(scored, predicted[is_scored].long(), len(self.classes))


def _classes(sample: SegDataSample) -> NDArray[np.uint8]:
    """Return the predicted classes."""
    classes: NDArray[np.uint8] = sample.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8)
    return classes


def _confidence(sample: SegDataSample) -> NDArray[np.float32]:
    """Return the highest class probability of every pixel."""
    probabilities = sample.seg_logits.data.float().softmax(dim=0)
    confidence: NDArray[np.float32] = probabilities.amax(dim=0).cpu().numpy()
    return confidence
