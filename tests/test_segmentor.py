"""Scores of stock segmentors equal what MMSeg's own inference computes."""

import pytest
import torch

from dts.registry import MODELS
from dts.segmentor import all_logits, decode_logits
from toys import toy_segmentor_config


def stock(config):
    return MODELS.build(config).eval()


def test_decode_logits_equal_the_stock_inference():
    segmentor = stock(toy_segmentor_config())
    images = torch.rand(2, 3, 9, 11)
    metas = [
        dict(ori_shape=(9, 11), img_shape=(9, 11), pad_shape=(9, 11), padding_size=[0] * 4)
    ] * 2
    expected = segmentor.inference(images, metas)
    torch.testing.assert_close(decode_logits(segmentor, images), expected)


def cascade_config():
    config = toy_segmentor_config()
    first = config['decode_head']
    second = dict(
        type='mmseg.OCRHead',
        in_channels=8,
        in_index=0,
        channels=8,
        ocr_channels=4,
        dropout_ratio=0.0,
        num_classes=3,
        align_corners=False,
        norm_cfg=dict(type='BN'),
        loss_decode=dict(type='mmseg.CrossEntropyLoss', loss_weight=1.0),
    )
    first = dict(first, loss_decode=dict(type='mmseg.CrossEntropyLoss', loss_weight=0.4))
    return dict(
        config, type='mmseg.CascadeEncoderDecoder', num_stages=2, decode_head=[first, second]
    )


def test_cascades_hand_the_scores_of_a_stage_to_the_next():
    segmentor = stock(cascade_config())
    images = torch.rand(2, 3, 8, 8)
    expected = segmentor.encode_decode(images, [dict(img_shape=(8, 8))] * 2)
    torch.testing.assert_close(decode_logits(segmentor, images), expected)
    heads = all_logits(segmentor, images)
    assert [(h.name, h.weight) for h in heads] == [('decode', 1.0), ('decode_0', 0.4)]
    torch.testing.assert_close(heads[0].logits, expected)
    features = segmentor.extract_feat(images)
    torch.testing.assert_close(heads[1].logits, segmentor.decode_head[0](features))


def test_auxiliary_heads_are_named_as_in_mmseg():
    config = toy_segmentor_config()
    head = dict(config['decode_head'])
    segmentor = stock(dict(config, auxiliary_head=[head, head]))
    assert [h.name for h in all_logits(segmentor, torch.rand(1, 3, 8, 8))] == [
        'decode',
        'aux_0',
        'aux_1',
    ]


def test_a_head_without_score_maps_is_refused_by_name():
    segmentor = stock(toy_segmentor_config())
    segmentor.decode_head.forward = lambda features: (features[0], features[0])
    with pytest.raises(TypeError, match='FCNHead does not answer'):
        decode_logits(segmentor, torch.rand(1, 3, 8, 8))
