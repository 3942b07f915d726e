"""The frozen encoder has the pretrained weights, not the student's, and is no part of the model."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict

from dts.hooks.reference_encoder import ReferenceEncoderHook
from dts.registry import MODELS
from toys import toy_segmentor_config

LITE = dict(type='dts.EfficientNetLite')
RESNET = dict(type='mmseg.ResNetV1c', depth=18, stem_channels=8, base_channels=24)


def prepared(pretrained=True, backbone=LITE, **kwargs):
    student = toy_segmentor_config()
    student.backbone = dict(backbone)
    if pretrained:
        student.backbone['init_cfg'] = dict(type='Constant', layer='Conv2d', val=0.25)
    student.decode_head.in_channels = student.decode_head.channels = 24
    config = ConfigDict(type='dts.SelfTraining', student=student, **kwargs)
    method = MODELS.build(config)
    return method, SimpleNamespace(model=method, cfg=SimpleNamespace(model=config))


@pytest.mark.slow
@pytest.mark.parametrize('backbone', [LITE, RESNET], ids=lambda config: config['type'])
def test_reference_is_pretrained_frozen_and_outside_of_the_model(backbone):
    method, runner = prepared(backbone=backbone, feature_distance=dict(classes=[0]))
    ReferenceEncoderHook().before_train(runner)
    weights = [p for p in method.reference.parameters() if p.ndim == 4]
    assert weights
    assert all(bool((weight == 0.25).all()) for weight in weights)
    assert not any(parameter.requires_grad for parameter in method.reference.parameters())
    assert not method.reference.training
    assert not any('reference' in name for name, _ in method.named_modules())
    trained = [p for p in method.student.backbone.parameters() if p.ndim == 4]
    assert not any(torch.equal(a, b) for a, b in zip(weights, trained, strict=True))


def test_missing_weights_and_an_unused_reference_are_refused():
    with pytest.raises(ValueError, match='has no init_cfg'):
        ReferenceEncoderHook().before_train(prepared(pretrained=False)[1])
    with pytest.raises(ValueError, match='asks for no reference encoder'):
        ReferenceEncoderHook().before_train(prepared()[1])
