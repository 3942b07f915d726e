"""A teacher that labels in train mode: what is active in it and what is not."""

import torch
from mmengine.config import ConfigDict

from dts.models.sub_network import drop_path_layers
from dts.registry import MODELS
from dts.segmentor import decode_logits
from dts.teachers.train_mode import TrainModeTeacher
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
