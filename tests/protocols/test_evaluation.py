"""The three ways of making predictions give what their names say, through stock MMSeg."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

import dts.datasets.transforms.center_crop
import dts.datasets.voc2012  # noqa: F401
from dts.evaluation.metric import SegmentationMetric
from dts.protocols.configs import read_evaluation
from dts.registry import MODELS
from small_trees import VOC_VAL, make_voc2012, voc_labels
from toys import toy_segmentor_config

LOAD = [dict(type='dts.LoadImage'), dict(type='dts.LoadLabels')]


def make_config(root: Path, evaluation: dict, *steps: dict) -> dict:
    """Config of a toy segmentor that is scored on the val images of VOC."""
    dataset = dict(
        type='dts.VOC2012Dataset',
        data_root=str(root),
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        test_mode=True,
        serialize_data=False,
        pipeline=[*LOAD, *steps, dict(type='PackSegInputs')],
    )
    model = toy_segmentor_config(num_classes=21)
    model.test_cfg = evaluation
    loader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
    return dict(model=model, test_dataloader=dict(loader, dataset=dataset))


def predict(config: dict) -> tuple[list, object]:
    """Return the predicted samples and the segmentor."""
    segmentor = MODELS.build(config['model']).eval()
    loader = Runner.build_dataloader(config['test_dataloader'], seed=0)
    with torch.no_grad():
        return [segmentor.test_step(batch)[0] for batch in loader], segmentor


def logits_of(segmentor: object, image: torch.Tensor) -> torch.Tensor:
    """Scores of one window, (K, h, w)."""
    with torch.no_grad():
        return segmentor.decode_head(segmentor.extract_feat(image[None]))[0]


def normalized_image(root: Path) -> torch.Tensor:
    """The first val image as the toy data preprocessor makes it, (3, H, W)."""
    from PIL import Image

    pixels = np.asarray(Image.open(root / 'JPEGImages' / f'{VOC_VAL[0]}.jpg'))
    return torch.from_numpy((pixels.astype(np.float32) - 127.5) / 127.5).permute(2, 0, 1)


def score(samples: list) -> dict[str, float]:
    """Score the samples."""
    metric = SegmentationMetric()
    metric.dataset_meta = dict(classes=[f'class {index}' for index in range(21)])
    metric.process({}, [sample.to_dict() for sample in samples])
    return metric.evaluate(len(samples))


def test_whole_image(tmp_path: Path) -> None:
    root = make_voc2012(tmp_path)
    config = make_config(root, dict(mode='whole'))
    samples, segmentor = predict(config)
    expected = logits_of(segmentor, normalized_image(root))
    torch.testing.assert_close(samples[0].seg_logits.data, expected, rtol=1e-4, atol=1e-4)
    truth, predicted = samples[0].gt_sem_seg.data, expected.argmax(dim=0, keepdim=True)
    valid = truth != 255
    hits = (truth == predicted)[valid].float().mean()
    assert score(samples)['aAcc'] == pytest.approx(100 * float(hits), abs=0.5)
    assert str(read_evaluation(config)) == 'whole'


@pytest.mark.parametrize(('crop', 'stride'), [((16, 20), (10, 14)), ((32, 32), (21, 21))])
def test_sliding_windows_average_the_scores(tmp_path: Path, crop: tuple, stride: tuple) -> None:
    root = make_voc2012(tmp_path)
    config = make_config(root, dict(mode='slide', crop_size=crop, stride=stride))
    samples, segmentor = predict(config)
    image = normalized_image(root)
    total, count = torch.zeros(21, 32, 48), torch.zeros(32, 48)
    starts = [
        sorted({min(start, side - window) for start in range(0, side - window + step, step)})
        for side, window, step in zip((32, 48), crop, stride, strict=True)
    ]
    for y in starts[0]:
        for x in starts[1]:
            window = (slice(y, y + crop[0]), slice(x, x + crop[1]))
            total[(..., *window)] += logits_of(segmentor, image[(..., *window)])
            count[window] += 1
    assert count.min() == 1
    assert count.max() > 1
    torch.testing.assert_close(samples[0].seg_logits.data, total / count, rtol=1e-4, atol=1e-4)
    evaluation = read_evaluation(config)
    assert (evaluation.mode, evaluation.crop_size, evaluation.stride) == ('slide', crop, stride)


def test_center_crop_is_predicted_and_scored_alone(tmp_path: Path) -> None:
    root = make_voc2012(tmp_path)
    crop = dict(type='dts.CenterCrop', crop_size=(16, 24))
    config = make_config(root, dict(mode='whole'), crop)
    samples, segmentor = predict(config)
    middle = (slice(8, 24), slice(12, 36))
    expected = logits_of(segmentor, normalized_image(root)[(..., *middle)])
    torch.testing.assert_close(samples[0].seg_logits.data, expected, rtol=1e-4, atol=1e-4)
    assert samples[0].pred_sem_seg.data.shape == (1, 16, 24)
    assert (samples[0].gt_sem_seg.data[0].numpy() == voc_labels()[middle]).all()
    labels = voc_labels()[middle]
    hits = (samples[0].pred_sem_seg.data[0].numpy() == labels).sum()
    accuracy = 100 * hits / (labels != 255).sum()
    assert score(samples)['aAcc'] == pytest.approx(accuracy)  # both images are the same
    evaluation = read_evaluation(config)
    assert (evaluation.mode, evaluation.crop_size) == ('center', (16, 24))
