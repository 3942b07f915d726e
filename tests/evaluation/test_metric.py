"""The metric against hand-made matrices, a loop over pixels and MMSeg's own metric."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from dts.datasets.cityscapes import CityscapesDataset
from dts.evaluation.metric import SegmentationMetric, confusion_matrix, segmentation_scores

CLASSES = ('road', 'car', 'sky')


def make_metric(classes: tuple[str, ...] = CLASSES, **kwargs: object) -> SegmentationMetric:
    metric = SegmentationMetric(**kwargs)
    metric.dataset_meta = {'classes': classes}
    return metric


def make_sample(labels: object, predictions: object, path: str = 'a.png') -> dict:
    return {
        'gt_sem_seg': {'data': torch.as_tensor(labels)[None]},
        'pred_sem_seg': {'data': torch.as_tensor(predictions)[None]},
        'img_path': path,
    }


def random_samples(num_images: int, num_classes: int, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(num_images):
        labels = rng.integers(0, num_classes, (13, 17))
        predictions = np.where(rng.random((13, 17)) < 0.5, labels, rng.integers(0, num_classes))
        labels[rng.random((13, 17)) < 0.1] = 255
        samples.append(make_sample(labels, predictions))
    return samples


def test_scores_of_a_hand_made_matrix() -> None:
    matrix = torch.tensor([[6, 2, 0], [1, 3, 0], [0, 3, 1]])  # rows labels, columns predictions
    scores = segmentation_scores(matrix, CLASSES, {'things': ['car'], 'two': ['sky', 'road']})
    expected = {
        'IoU.road': 100 * 6 / 9,
        'IoU.car': 100 * 3 / 9,
        'IoU.sky': 100 * 1 / 4,
        'mIoU': 100 * (6 / 9 + 3 / 9 + 1 / 4) / 3,
        'mAcc': 100 * (6 / 8 + 3 / 4 + 1 / 4) / 3,
        'aAcc': 100 * 10 / 16,
        'mIoU.things': 100 * 3 / 9,
        'mIoU.two': 100 * (6 / 9 + 1 / 4) / 2,
    }
    assert scores == pytest.approx(expected)


def test_absent_class_is_nan_and_left_out_but_a_phantom_counts() -> None:
    # sky: neither labelled nor predicted; car: predicted once, never labelled.
    scores = segmentation_scores(torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 0]]), CLASSES, {})
    assert math.isnan(scores['IoU.sky'])
    assert scores['IoU.car'] == 0
    assert scores['mIoU'] == pytest.approx((75 + 0) / 2)
    assert scores['mAcc'] == pytest.approx(75)  # car has no labelled pixel: no accuracy


def test_nothing_labelled_gives_nan() -> None:
    metric = make_metric()
    metric.process(None, [make_sample([[255, 255]], [[0, 1]])])
    assert all(math.isnan(value) for value in metric.evaluate(1).values())


def test_confusion_matrix_equals_a_loop_over_pixels() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, (2, 300))
    expected = np.zeros((4, 4), dtype=np.int64)
    for label, prediction in zip(labels, predictions, strict=True):
        expected[label, prediction] += 1
    matrix = confusion_matrix(torch.from_numpy(labels), torch.from_numpy(predictions), 4)
    np.testing.assert_array_equal(matrix.numpy(), expected)


def test_evaluation_equals_a_loop_over_pixels() -> None:
    samples = random_samples(5, 3)
    hits, labelled, predicted = np.zeros(3), np.zeros(3), np.zeros(3)
    for sample in samples:
        labels = sample['gt_sem_seg']['data'].flatten().tolist()
        predictions = sample['pred_sem_seg']['data'].flatten().tolist()
        for label, prediction in zip(labels, predictions, strict=True):
            if label != 255:
                hits[label] += label == prediction
                labelled[label] += 1
                predicted[prediction] += 1
    metric = make_metric()
    metric.process(None, samples[:2])
    metric.process(None, samples[2:])
    scores = metric.evaluate(5)
    assert scores['mIoU'] == pytest.approx(100 * np.mean(hits / (labelled + predicted - hits)))
    assert scores['mAcc'] == pytest.approx(100 * np.mean(hits / labelled))
    assert scores['aAcc'] == pytest.approx(100 * hits.sum() / labelled.sum())


def test_equals_the_metric_of_mmseg() -> None:
    classes = tuple('abcdefg')  # g is never labelled nor predicted
    samples = random_samples(4, 6, seed=1)
    ours, theirs = make_metric(classes), IoUMetric()
    theirs.dataset_meta = {'classes': classes}
    for metric in (ours, theirs):
        metric.process(None, samples)
    scores = ours.evaluate(4)
    for key, value in theirs.evaluate(4).items():
        assert scores[key] == pytest.approx(value, abs=0.00501), key  # theirs are rounded
    assert math.isnan(scores['IoU.g'])


def test_evaluate_forgets_and_counts_images() -> None:
    metric = make_metric(prefix='day')
    metric.process(None, [make_sample([[0, 1]], [[0, 0]])])
    assert metric.evaluate(1)['day/aAcc'] == pytest.approx(50)
    metric.process(None, [make_sample([[0, 1]], [[0, 1]])])
    assert metric.evaluate(1)['day/aAcc'] == pytest.approx(100)
    metric.process(None, [make_sample([[0, 1]], [[0, 1]])])
    with pytest.raises(ValueError, match='counted 1 images, the data set has 2'):
        metric.evaluate(2)


@pytest.mark.parametrize(
    ('labels', 'predictions', 'message'),
    [
        ([[0, 7]], [[0, 0]], r'masks/x\.png: label value 7 in 1 pixels, expected 0 to 2'),
        ([[0, -1]], [[0, 0]], r'masks/x\.png: label value -1'),
        ([[0, 1]], [[0, 3]], r'masks/x\.png: prediction value 3 .* set num_classes'),
        ([[0, 1]], [[0]], r'masks/x\.png: label of size \(1, 2\), prediction of size \(1, 1\)'),
    ],
)
def test_wrong_values_name_the_file(labels: list, predictions: list, message: str) -> None:
    sample = make_sample(labels, predictions) | {'seg_map_path': 'masks/x.png'}
    with pytest.raises(ValueError, match=message):
        make_metric().process(None, [sample])


def test_missing_label_names_the_image() -> None:
    sample = make_sample([[0]], [[0]], path='img/y.png')
    del sample['gt_sem_seg']
    with pytest.raises(ValueError, match=r'img/y\.png: no label'):
        make_metric().process(None, [sample])


def test_unknown_class_in_a_subset_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'day' .* \['boat'\].*'road', 'car', 'sky'"):
        make_metric(subsets={'day': ['boat', 'car']}).evaluate(0)


def test_trap_17_means_over_19_16_and_13_classes_of_one_matrix() -> None:
    """As a model of SYNTHIA scores on Cityscapes: terrain, truck and train are never predicted."""
    classes = tuple(CityscapesDataset.METAINFO['classes'])
    without = {'terrain', 'truck', 'train'}
    small = {'wall', 'fence', 'pole'}
    subsets = {
        'mIoU16': [name for name in classes if name not in without],
        'mIoU13': [name for name in classes if name not in without | small],
    }
    rng = np.random.default_rng(0)
    matrix = torch.from_numpy(rng.integers(0, 50, (19, 19))) + 100 * torch.eye(19).long()
    matrix[:, [classes.index(name) for name in without]] = 0
    scores = segmentation_scores(matrix, classes, subsets)
    hits = matrix.diagonal().double()
    iou = 100 * hits / (matrix.sum(0) + matrix.sum(1) - hits)
    assert iou[[9, 14, 16]].tolist() == [0, 0, 0]
    # The hand conversion of the released code is right here, as absent classes score exactly 0 ...
    assert scores['mIoU16'] == pytest.approx(scores['mIoU'] * 19 / 16)
    kept = [i for i in range(19) if i not in (3, 4, 5, 9, 14, 16)]
    assert scores['mIoU13'] == pytest.approx(iou[kept].mean().item())
    assert {key for key in scores if key.startswith('mIoU')} == {'mIoU', 'mIoU16', 'mIoU13'}
    # ... and wrong as soon as one is predicted, or one is not in the labels.
    phantom = matrix.clone()
    phantom[0, 0], phantom[0, 14] = matrix[0, 0] - 60, 60  # road taken for a truck
    scores_phantom = segmentation_scores(phantom, classes, subsets)
    assert scores_phantom['mIoU16'] < scores['mIoU16']  # an error of road all the same
    absent = matrix.clone()
    absent[16] = 0  # no train labelled, none predicted
    scores_absent = segmentation_scores(absent, classes, subsets)
    assert math.isnan(scores_absent['IoU.train'])
    assert scores_absent['mIoU'] * 18 / 16 == pytest.approx(scores_absent['mIoU16'])


def test_a_subset_of_absent_classes_is_nan_and_one_absent_class_is_left_out() -> None:
    matrix = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 0]])
    scores = segmentation_scores(matrix, CLASSES, {'mIoU1': ['sky'], 'mIoU2': ['road', 'sky']})
    assert math.isnan(scores['mIoU1'])
    assert scores['mIoU2'] == pytest.approx(75)


def test_a_subset_cannot_hide_the_mean_over_all_classes() -> None:
    with pytest.raises(ValueError, match="cannot be called 'mIoU'"):
        SegmentationMetric(subsets={'mIoU': ['road']})


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Also when MMEngine's sampler repeats images to fill the ranks, or a rank has no own image."""
    sizes = [5, 4, 1]
    data = {size: random_samples(size, 3, seed=size) for size in sizes}
    (tmp_path / 'data.pkl').write_bytes(pickle.dumps(data))
    code = (
        'import pickle, sys, dts, torch.distributed as dist\n'
        'from mmengine.dataset import DefaultSampler\n'
        'from dts.evaluation.metric import SegmentationMetric\n'
        "group = {'init_method': sys.argv[1], 'rank': int(sys.argv[2]), 'world_size': 2}\n"
        "dist.init_process_group('gloo', **group)\n"
        "data = pickle.load(open(sys.argv[3], 'rb'))\n"
        'metric, scores = SegmentationMetric(), {}\n'
        f"metric.dataset_meta = {{'classes': {CLASSES!r}}}\n"
        'for size, samples in data.items():\n'
        '    for index in DefaultSampler(samples, shuffle=False):\n'
        '        metric.process(None, [samples[index]])\n'
        '    scores[size] = metric.evaluate(size)\n'
        "pickle.dump(scores, open(sys.argv[3] + sys.argv[2], 'wb'))\n"
        # A process that ends while another still uses its sockets is aborted now and then.
        'dist.barrier()\n'
        'dist.destroy_process_group()\n'
    )
    init, file = f'file://{tmp_path}/init', str(tmp_path / 'data.pkl')
    environment = {**os.environ, 'GLOO_SOCKET_IFNAME': 'lo', 'OMP_NUM_THREADS': '1'}
    processes = [
        subprocess.Popen([sys.executable, '-c', code, init, str(rank), file], env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    expected = {}
    metric = make_metric()
    for size, samples in data.items():
        metric.process(None, samples)
        expected[size] = metric.evaluate(size)
    for rank in range(2):
        scores = pickle.loads(Path(f'{file}{rank}').read_bytes())
        torch.testing.assert_close(scores, expected, rtol=0, atol=0, equal_nan=True)
