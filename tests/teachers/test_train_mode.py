"""Teachers that label in train mode: what is active in them and what is not."""

import copy

import torch
from mmengine.config import ConfigDict
from torch import nn

from dts.models.sub_network import drop_path_layers
from dts.registry import MODELS
from dts.segmentor import decode_logits
from dts.teachers.train_mode import BatchStatisticsTeacher, TrainModeTeacher
from runs import small_segformer
from toys import toy_segmentor_config


def test_it_labels_with_the_statistics_of_its_batch_and_rests_in_eval_mode():
    student = MODELS.build(toy_segmentor_config())
    teacher = TrainModeTeacher(student)
    images = torch.randn(4, 3, 8, 8) * 3 + 1
    before = teacher.segmentor.backbone.norm.running_mean.clone()
    labelled = teacher.logits(images)
    assert not teacher.segmentor.training
    assert not torch.equal(teacher.segmentor.backbone.norm.running_mean, before)
    torch.testing.assert_close(labelled, decode_logits(student.train(), images))
    assert not torch.allclose(labelled, decode_logits(student.eval(), images), atol=1e-3)


def test_its_stochastic_depth_is_off_and_its_students_is_not():
    student = MODELS.build(ConfigDict(small_segformer(drop=0.1)))
    teacher = TrainModeTeacher(student)
    rates = [layer.drop_prob for block in drop_path_layers(teacher.segmentor) for layer in block]
    assert rates
    assert set(rates) == {0.0}
    assert any(layer.drop_prob > 0 for block in drop_path_layers(student) for layer in block)


def test_batch_statistics_are_all_that_is_taken_from_train_mode():
    config = ConfigDict(small_segformer(drop=0.3))  # dropout as layers, in attention, and drop-path
    student = MODELS.build(config)
    teacher = BatchStatisticsTeacher(student)
    expected = copy.deepcopy(student).eval()
    norms = [module for module in expected.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        norm.train()
    images = torch.randn(3, 3, 32, 32) * 3 + 1
    labelled = teacher.logits(images)
    torch.testing.assert_close(labelled, decode_logits(expected, images), rtol=0, atol=0)
    torch.testing.assert_close(teacher.segmentor.state_dict(), expected.state_dict())
    assert not torch.allclose(labelled, decode_logits(student.eval(), images), atol=1e-3)
    assert not any(module.training for module in teacher.modules())  # evaluated in eval mode


def test_statistics_that_the_student_keeps_frozen_stay_frozen():
    backbone = dict(type='mmseg.ResNetV1c', depth=18, stem_channels=8, base_channels=8)
    config = toy_segmentor_config(channels=64)
    config.backbone = dict(backbone, norm_eval=True, out_indices=(3,))
    config.decode_head.norm_cfg = dict(type='BN')
    config.decode_head.num_convs = 1
    teacher = BatchStatisticsTeacher(MODELS.build(config))
    before = copy.deepcopy(teacher.segmentor.state_dict())
    teacher.logits(torch.randn(2, 3, 64, 64))
    moved = {
        name.split('.')[0]
        for name, value in teacher.segmentor.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == {'decode_head'}
