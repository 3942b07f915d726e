"""Scores of stock segmentors equal what MMSeg's own inference computes."""

import pytest
import torch

from dts.registry import MODELS
from dts.segmentor import (
    Box,
    HeadLogits,
    OwnScores,
    all_logits,
    decode,
    decode_logits,
    encode,
    split_heads,
)
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


def test_boxes_cut_rows_and_columns():
    maps = torch.arange(24.0).view(1, 4, 6)
    box = Box(top=1, bottom=3, left=2, right=6)
    torch.testing.assert_close(box.of(maps)[0], maps[0, 1:3, 2:6])
    head = HeadLogits('detail', 0.1, torch.zeros(1, 3, 2, 4), box)
    assert head.crop(maps).shape == (1, 2, 4)
    assert HeadLogits('decode', 1.0, torch.zeros(1, 3, 4, 6)).crop(maps) is maps


class Answering:
    """A segmentor that answers itself."""

    def encode(self, images, backbone=None):
        return (images + 1 if backbone is None else backbone(images),)

    def decode(self, features, images):
        return [HeadLogits('own', 2.0, features[0] * images)]

    def decode_logits(self, images):
        return -images


def test_split_heads_are_slices_with_the_gradient_of_slices():
    scores = [torch.randn(5, 3, 2, 2, requires_grad=True) for _ in range(2)]
    weights = torch.randn(5, 3, 2, 2)
    heads = [HeadLogits('decode', 1.0, scores[0]), HeadLogits('aux', 0.4, scores[1])]

    labeled, mixed = split_heads(heads, [2, 3])

    assert [(head.name, head.weight) for head in mixed] == [('decode', 1.0), ('aux', 0.4)]
    for own, first, second in zip(scores, labeled, mixed, strict=True):
        assert torch.equal(first.logits, own[:2])
        assert torch.equal(second.logits, own[2:])
        ((first.logits * weights[:2]).sum() + 2 * (second.logits * weights[2:]).sum()).backward()
        assert torch.equal(own.grad, torch.cat([weights[:2], 2 * weights[2:]]))


def test_segmentors_with_own_scores_are_asked():
    segmentor, images = Answering(), torch.full((1, 1, 1, 1), 3.0)
    assert isinstance(segmentor, OwnScores)
    assert float(encode(segmentor, images)[0]) == 4.0
    assert float(encode(segmentor, images, torch.neg)[0]) == -3.0
    assert float(decode(segmentor, [images], images)[0].logits) == 9.0
    assert float(all_logits(segmentor, images)[0].logits) == 12.0
    assert float(decode_logits(segmentor, images)) == -3.0


def test_another_backbone_sees_the_same_images():
    segmentor, images = stock(toy_segmentor_config()), torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(encode(segmentor, images, lambda seen: [2 * seen])[0], 2 * images)


def test_stock_segmentors_are_not_asked():
    assert not isinstance(stock(toy_segmentor_config()), OwnScores)
    assert not isinstance(stock(cascade_config()), OwnScores)
