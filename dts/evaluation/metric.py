"""Segmentation metrics from one confusion matrix over all pixels of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine import dist
from mmengine.evaluator import BaseMetric
from torch import Tensor

from dts.registry import METRICS


def confusion_matrix(labels: Tensor, predictions: Tensor, num_classes: int) -> Tensor:
    """Count the pixels of every (label, prediction) pair.

    Loop form: ``for y, p in zip(labels, predictions): matrix[y, p] += 1``.

    Args:
        labels: (N,) int64 in [0, K-1], ignored pixels already left out.
        predictions: (N,) int64 in [0, K-1].
        num_classes: K.

    Returns:
        (K, K) int64; rows are labels, columns predictions.
    """
    pairs = labels * num_classes + predictions
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def segmentation_scores(
    matrix: Tensor, classes: Sequence[str], subsets: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """Turn a confusion matrix into percentages.

    For class c with TP, FP, FN counted over the pixels of the whole data set (not averaged over
    images), T = all pixels that are not ignored:

        IoU_c = TP / (TP + FP + FN)        NaN when c is neither labelled nor predicted
        Acc_c = TP / (TP + FN)             NaN when c is not labelled
        mIoU, mAcc = mean over the classes that are not NaN;  aAcc = sum_c TP / T

    A class that is predicted but never labelled has IoU 0 and counts. The mean of a subset is taken
    over its classes only; pixels of other classes still count as their false positives.

    Args:
        matrix: (K, K) int64, rows are labels, columns predictions.
        classes: the K class names.
        subsets: name of a subset -> its class names.

    Returns:
        ``mIoU``, ``mAcc``, ``aAcc``, ``mIoU.<subset>``, ``IoU.<class>``; in [0, 100] or NaN. A
        subset whose name starts with ``mIoU`` has that name as its key.
    """
    counts = matrix.double()
    hits = counts.diagonal()
    labelled, predicted = counts.sum(dim=1), counts.sum(dim=0)
    # 0 / 0 is NaN: an absent class marks itself.
    iou = 100 * hits / (labelled + predicted - hits)
    accuracy = 100 * hits / labelled
    scores = {
        'mIoU': iou.nanmean(),
        'mAcc': accuracy.nanmean(),
        'aAcc': 100 * hits.sum() / counts.sum(),
    }
    for name, members in subsets.items():
        key = name if name.startswith('mIoU') else f'mIoU.{name}'
        scores[key] = iou[[classes.index(member) for member in members]].nanmean()
    scores |= {f'IoU.{name}': value for name, value in zip(classes, iou, strict=True)}
    return {name: float(value) for name, value in scores.items()}


@METRICS.register_module()
class SegmentationMetric(BaseMetric):
    """Standard mIoU, accuracies and per-class IoU in percent; formulas in ``segmentation_scores``.

    The state is counts, so ranks are added, never averaged, and nothing grows with the data set.
    MMEngine's samplers give image ``rank + world * j`` to a rank as its j-th and repeat the first
    images until all ranks have equally many: such repetitions are left out.

    Args:
        subsets: name -> class names; gives ``mIoU.<name>``, or ``<name>`` where that starts with
            ``mIoU``, as in ``mIoU16``, the mean over the classes of SYNTHIA.
        ignore_index: label of pixels that do not count.
        collect_device: as in MMEngine; not used, counts travel on the device of the backend.
        prefix: put before every key with a slash; None adds nothing.

    Raises:
        ValueError: if a subset is called ``mIoU``, which is the mean over all classes.
    """

    default_prefix = ''

    def __init__(
        self,
        subsets: Mapping[str, Sequence[str]] | None = None,
        *,
        ignore_index: int = 255,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.subsets = dict(subsets or {})
        if 'mIoU' in self.subsets:
            raise ValueError(
                "a subset of SegmentationMetric cannot be called 'mIoU', the mean over all of "
                "them: name it after its size, as 'mIoU16'"
            )
        self.ignore_index = ignore_index
        self._reset()

    def _reset(self) -> None:
        """Forget all counts."""
        self._matrix: Tensor | None = None
        # The newest image waits apart: only the end shows whether it is a repetition.
        self._newest: Tensor | None = None
        self._num_images = 0

    @property
    def _classes(self) -> list[str]:
        """Class names of the data set, with the subsets checked against them."""
        classes = list((self.dataset_meta or {}).get('classes') or ())
        if not classes:
            raise ValueError(
                'SegmentationMetric needs class names: the data set gives no '
                "metainfo['classes']; set metainfo=dict(classes=(...)) in its config"
            )
        for name, members in self.subsets.items():
            unknown = sorted(set(members) - set(classes))
            if unknown or not members:
                raise ValueError(
                    f'subset {name!r} of SegmentationMetric names {unknown or "no class"}; '
                    f'the data set has {classes}'
                )
        return classes

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Count the pixels of one batch.

        Args:
            data_batch: not used.
            data_samples: with ``pred_sem_seg`` and ``gt_sem_seg``; their ``data`` is (1, H, W).

        Raises:
            ValueError: if a label or a prediction is out of range, if their sizes differ or if
                there is no label; the message names the file.
        """
        num_classes = len(self._classes)
        for sample in data_samples:
            labels, predictions = _checked_pair(sample, num_classes, self.ignore_index)
            counts = confusion_matrix(labels, predictions, num_classes)
            if self._newest is not None:
                self._matrix = self._newest if self._matrix is None else self._matrix + self._newest
            self._newest = counts
            self._num_images += 1

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Return the scores of a list of confusion matrices.

        Args:
            results: (K, K) int64 each; they are added.

        Returns:
            What ``segmentation_scores`` returns.
        """
        return segmentation_scores(torch.stack(results).sum(dim=0), self._classes, self.subsets)

    def evaluate(self, size: int) -> dict[str, float]:
        """Add the counts of all ranks and forget them.

        Args:
            size: number of images of the data set.

        Returns:
            The scores, the same on every rank.

        Raises:
            ValueError: if the ranks together did not see every image exactly once.
        """
        classes = self._classes
        rank, world = dist.get_dist_info()
        is_repeated = rank + world * (self._num_images - 1) >= size
        parts = [self._matrix, None if is_repeated else self._newest]
        total = sum(
            (part.cpu() for part in parts if part is not None),
            torch.zeros(len(classes), len(classes), dtype=torch.int64),
        )
        message = torch.cat([total.flatten(), torch.tensor([self._num_images - is_repeated])])
        self._reset()
        dist.all_reduce(message, op='sum')
        matrix, num_images = message[:-1].view_as(total), int(message[-1])
        if num_images != size:
            raise ValueError(
                f'the metric counted {num_images} images, the data set has {size}: evaluate with '
                "sampler=dict(type='DefaultSampler', shuffle=False) and without drop_last"
            )
        scores = self.compute_metrics([matrix])
        return {f'{self.prefix}/{k}': v for k, v in scores.items()} if self.prefix else scores


def _checked_pair(
    sample: Mapping[str, Any], num_classes: int, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Return labels and predictions of the pixels that count, (N,) int64 each."""
    file = sample.get('seg_map_path') or sample.get('img_path') or 'a sample without a path'
    if 'gt_sem_seg' not in sample:
        raise ValueError(
            f'{file}: no label to score against; load labels in the evaluation pipeline'
        )
    predictions = sample['pred_sem_seg']['data'].squeeze(0).long()
    labels = sample['gt_sem_seg']['data'].squeeze(0).to(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f'{file}: label of size {tuple(labels.shape)}, prediction of size '
            f'{tuple(predictions.shape)}; load labels after the last resize of the pipeline'
        )
    valid_mask = labels != ignore_index
    labels, predictions = labels[valid_mask], predictions[valid_mask]
    for values, what, fix in (
        (labels, 'label', f'map other values to {ignore_index} (ignored) or fix the class list'),
        (
            predictions,
            'prediction',
            'the model has more classes than the data set: set num_classes',
        ),
    ):
        wrong = values[(values < 0) | (values >= num_classes)]
        if len(wrong):
            raise ValueError(
                f'{file}: {what} value {int(wrong[0])} in {len(wrong)} pixels, expected 0 to '
                f'{num_classes - 1}; {fix}'
            )
    return labels, predictions
