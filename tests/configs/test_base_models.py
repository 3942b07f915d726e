"""Base models: the published numbers, and one step of each on shrunken input."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import dts.models  # noqa: F401 - registers EfficientNet-Lite
from dts.distill.taps import heads_of

FOLDER = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
# The deeper networks are more blocks of these; whole configs of them take a step in test_configs.py.
DEEPER = re.compile('r101|mit-b[345]')
STEPPED = [name for name in NAMES if not DEEPER.search(name) or name == 'deeplabv2_r101']
RESNET_RUN = '4xb2-80k_cityscapes-512x1024.py'
SEGFORMER_RUN = '8xb1-160k_cityscapes-1024x1024.py'
# ours -> the config that MMSegmentation 1.2.2 publishes
PUBLISHED = {
    'deeplabv3_r18': f'deeplabv3/deeplabv3_r18-d8_{RESNET_RUN}',
    'deeplabv3_r50': f'deeplabv3/deeplabv3_r50-d8_{RESNET_RUN}',
    'deeplabv3_r101': f'deeplabv3/deeplabv3_r101-d8_{RESNET_RUN}',
    'deeplabv3plus_r18': f'deeplabv3plus/deeplabv3plus_r18-d8_{RESNET_RUN}',
    'deeplabv3plus_r50': f'deeplabv3plus/deeplabv3plus_r50-d8_{RESNET_RUN}',
    'deeplabv3plus_r101': f'deeplabv3plus/deeplabv3plus_r101-d8_{RESNET_RUN}',
    'fcn_r18': f'fcn/fcn_r18-d8_{RESNET_RUN}',
    'fcn_r50': f'fcn/fcn_r50-d8_{RESNET_RUN}',
    'ocrnet_hr18': f'ocrnet/ocrnet_hr18_{RESNET_RUN}',
    'pspnet_r18': f'pspnet/pspnet_r18-d8_{RESNET_RUN}',
    'pspnet_r50': f'pspnet/pspnet_r50-d8_{RESNET_RUN}',
    'pspnet_r101': f'pspnet/pspnet_r101-d8_{RESNET_RUN}',
    'stdc1': 'stdc/stdc1_in1k-pre_4xb12-80k_cityscapes-512x1024.py',
    'upernet_r18': f'upernet/upernet_r18_{RESNET_RUN}',
    'upernet_r50': f'upernet/upernet_r50_{RESNET_RUN}',
    'segformer_mit-b0': f'segformer/segformer_mit-b0_{SEGFORMER_RUN}',
    'segformer_mit-b1': f'segformer/segformer_mit-b1_{SEGFORMER_RUN}',
    'segformer_mit-b2': f'segformer/segformer_mit-b2_{SEGFORMER_RUN}',
    'segformer_mit-b3': f'segformer/segformer_mit-b3_{SEGFORMER_RUN}',
    'segformer_mit-b4': f'segformer/segformer_mit-b4_{SEGFORMER_RUN}',
    'segformer_mit-b5': f'segformer/segformer_mit-b5_{SEGFORMER_RUN}',
}


# what stands for the same numbers: several processes or one, weights that must fit or may
EQUAL = {'SyncBN': 'BN', 'dts.StrictPretrained': 'Pretrained'}


def in_one_spelling(node: Any) -> Any:
    """Return ``node`` with names of ``EQUAL`` replaced, at any depth, and tuples by lists."""
    if isinstance(node, dict):
        return {key: in_one_spelling(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [in_one_spelling(value) for value in node]
    return EQUAL.get(node, node) if isinstance(node, str) else node


@pytest.mark.parametrize('name', sorted(PUBLISHED))
def test_numbers_are_those_published(name: str) -> None:
    path = Path(mmseg.__file__).parent / '.mim' / 'configs' / PUBLISHED[name]
    if not path.is_file():
        pytest.skip(f'this MMSegmentation does not ship {PUBLISHED[name]}')
    ours = in_one_spelling(Config.fromfile(FOLDER / f'{name}.py').model.to_dict())
    theirs = in_one_spelling(Config.fromfile(path).model.to_dict())
    # written in two places there: `pretrained` of the segmentor or `init_cfg` of the backbone
    checkpoint = theirs.pop('pretrained', None)
    if checkpoint is not None:
        theirs['backbone']['init_cfg'] = {'type': 'Pretrained', 'checkpoint': checkpoint}
    if name == 'stdc1':
        theirs = without_detail_head(theirs)
    # set per data set: crop size and sliding window
    theirs['data_preprocessor'].pop('size')
    theirs['test_cfg'] = {'mode': 'whole'}
    assert ours == theirs


def without_detail_head(model: dict[str, Any]) -> dict[str, Any]:
    """Return STDC without what our methods do not train: its detail head and its samplers."""
    *heads, detail = [model['decode_head'], *model['auxiliary_head']]
    assert detail['type'] == 'STDCHead'
    for head in heads:
        head.pop('sampler')
    return model | {'auxiliary_head': heads[1:]}


OURS = {'fpn_lite0', 'fpn_lite1', 'fpn_lite2', 'segformer_mit-mini'}  # MMSeg has no such model
OURS |= {'deeplabv2_r101', 'daformer_lite0', 'daformer_mit-b5', 'hrda_lite0', 'hrda_mit-b5'}


def test_every_other_config_has_its_published_twin() -> None:
    assert set(NAMES) == set(PUBLISHED) | OURS


def head_configs(config: Any) -> list[Any]:
    """Return the configs of all heads; a cascade and STDC have lists of them."""
    parts = [config.decode_head, config.get('auxiliary_head', [])]
    return [head for part in parts for head in (part if isinstance(part, list) else [part])]


def build(name: str) -> Any:
    """Build the model of a base config for 5 classes, without pretrained weights."""
    config = Config.fromfile(FOLDER / f'{name}.py').model
    config.backbone.init_cfg = None
    config.backbone.get('backbone_cfg', {}).pop('init_cfg', None)
    for head in head_configs(config):
        head.num_classes = 5
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(config)
    model.init_weights()
    return model


@pytest.mark.slow
@pytest.mark.parametrize('name', STEPPED)
def test_one_step_reaches_every_weight(name: str) -> None:
    model = build(name).train()
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    samples = []
    for labels in torch.randint(5, (2, 1, 64, 64)):
        labels[:, :8] = 255
        samples.append(
            SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo={'img_shape': (64, 64)})
        )
    features, scores = model.extract_feat(images), ()
    for head in heads_of(model, 'decode_head'):
        scores = (head(features, *scores),)
    stride = 8 if name.startswith(('deeplabv2', 'deeplabv3_', 'fcn', 'hrda', 'psp', 'stdc')) else 4
    assert scores[0].shape == (2, 5, 64 // stride, 64 // stride)
    losses = model.loss(images, samples)
    # random weights: near the entropy of 5 equal classes
    last = 'decode_1' if name == 'ocrnet_hr18' else 'decode'
    assert math.log(5) / 3 < float(losses[f'{last}.loss_ce']) < 3 * math.log(5)
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert bool(torch.isfinite(parameter.grad).all()), parameter_name


@pytest.mark.slow
@pytest.mark.parametrize('name', ['fpn_lite0', 'fpn_lite1', 'fpn_lite2'])
def test_light_models_scale_pixels_to_one(name: str) -> None:
    model = build(name)
    pixels = torch.tensor([0, 0, 255], dtype=torch.uint8).view(3, 1, 1).expand(3, 32, 32)
    inputs = model.data_preprocessor({'inputs': [pixels], 'data_samples': [SegDataSample()]})
    # BGR red becomes RGB red, in [-1, 1]
    torch.testing.assert_close(inputs['inputs'][0, :, 0, 0], torch.tensor([1.0, -1.0, -1.0]))
