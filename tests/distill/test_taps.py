"""What taps record, and what they refuse."""

import pytest
import torch
from torch import nn

from dts.distill.taps import Tap, check_tap, record, run_tapped
from dts.registry import MODELS
from dts.segmentor import all_logits
from runs import small_segformer
from toys import toy_segmentor_config

LOGITS = Tap('decode_head.conv_seg')


def segmentor(config=None):
    return MODELS.build(config or toy_segmentor_config())


def cascade():
    config = toy_segmentor_config()
    config.type = 'mmseg.CascadeEncoderDecoder'
    config.num_stages = 2
    first = config.decode_head
    second = dict(first, type='mmseg.OCRHead', channels=8, ocr_channels=4, norm_cfg=dict(type='BN'))
    for key in ('num_convs', 'concat_input'):
        second.pop(key)
    config.decode_head = [first, second]
    config.auxiliary_head = [dict(first), dict(first)]
    return segmentor(config)


def test_logits_of_the_head_and_a_level_of_the_backbone():
    net = segmentor(small_segformer(drop=0.0))
    images = torch.randn(2, 3, 64, 64)
    with record(net, [LOGITS, Tap('backbone', 3), Tap('backbone', -4)]) as maps:
        all_logits(net.eval(), images)
    features = net.backbone(images)
    assert torch.equal(maps[Tap('backbone', 3)], features[3])
    assert torch.equal(maps[Tap('backbone', -4)], features[0])
    assert torch.equal(maps[LOGITS], net.decode_head(features))
    assert maps[LOGITS].shape == (2, 3, 16, 16)  # before upsampling
    assert maps[LOGITS].requires_grad


def test_stages_of_a_cascade_and_auxiliary_heads():
    net = cascade().eval()
    images = torch.randn(2, 3, 16, 16)
    taps = [
        Tap(f'{part}.{i}.conv_seg') for part in ('decode_head', 'auxiliary_head') for i in (0, 1)
    ]
    for tap in taps:
        check_tap(net, tap, 'it')
    with record(net, taps) as maps:
        heads = all_logits(net, images)
    expected = {h.name: h.logits for h in heads}
    for tap, name in zip(taps, ['decode_0', 'decode', 'aux_0', 'aux_1'], strict=True):
        assert torch.equal(maps[tap], expected[name])
    with torch.no_grad(), record(net, taps) as again:
        run_tapped(net, images, taps)
    assert all(torch.equal(again[tap], maps[tap]) for tap in taps)
    assert not any(m.requires_grad for m in again.values())


def test_only_the_parts_that_hold_taps_are_run():
    net = segmentor()
    called = []
    for name in ('backbone', 'decode_head'):
        net.get_submodule(name).register_forward_hook(lambda *_, name=name: called.append(name))
    for tap, expected in (
        (Tap('backbone', 0), ['backbone']),
        (LOGITS, ['backbone', 'decode_head']),
    ):
        called.clear()
        run_tapped(net, torch.randn(1, 3, 8, 8), [tap])
        assert called == expected


def test_nothing_stays_behind():
    net = segmentor()
    module = net.decode_head.conv_seg
    for _ in range(2):
        with record(net, [LOGITS, LOGITS]) as maps:
            assert len(module._forward_hooks) == 1
            all_logits(net, torch.randn(1, 3, 8, 8))
        assert list(maps) == [LOGITS]
        assert not module._forward_hooks
    with pytest.raises(RuntimeError, match='in the body'), record(net, [LOGITS]):
        raise RuntimeError('in the body')
    assert not module._forward_hooks


def scored(net, tap, times=1):
    with record(net, [tap]):
        for _ in range(times):
            all_logits(net, torch.randn(1, 3, 8, 8))


def test_a_tap_that_does_not_fire_once_is_an_error():
    net = segmentor()
    net.decode_head.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match=r'tap decode_head.spare fired 0 times'):
        scored(net, Tap('decode_head.spare'))
    with pytest.raises(ValueError, match=r'tap backbone\[0\] fired 2 times'):
        scored(net, Tap('backbone', 0), times=2)


def test_outputs_that_are_no_map_changed_in_place_or_without_gradient_are_errors():
    net = segmentor()
    with pytest.raises(ValueError, match='tap backbone gives a tuple of 1, not a map: name one'):
        scored(net, Tap('backbone'))
    with pytest.raises(ValueError, match='asks for output 1, backbone has 1 outputs'):
        scored(net, Tap('backbone', 1))
    with pytest.raises(ValueError, match=r'asks for output 0, .*conv_seg has one output'):
        scored(net, Tap(LOGITS.path, 0))
    net.decode_head.conv_seg = nn.Sequential(nn.Conv2d(8, 3, 1), nn.ReLU(inplace=True))
    with pytest.raises(ValueError, match=r'conv_seg.0 was changed in place by a later module'):
        scored(net, Tap('decode_head.conv_seg.0'))
    net.backbone.requires_grad_(False)
    with pytest.raises(ValueError, match=r'backbone\[0\] carries no gradient'):
        scored(net, Tap('backbone', 0))


def test_names_are_checked_with_names_near_them():
    with pytest.raises(ValueError, match=r"student has no module 'decode_head.conv_sec'.*conv_seg"):
        check_tap(segmentor(), Tap('decode_head.conv_sec'), 'student')
    with pytest.raises(ValueError, match=r'no module .*its parts: .*backbone, decode_head'):
        check_tap(segmentor(), Tap('zzz'), 'student')


def test_heads_that_classify_masks_are_refused():
    class Mask2FormerHead(nn.Module):
        pass

    net = segmentor()
    net.decode_head = Mask2FormerHead()
    with pytest.raises(ValueError, match='teacher has a Mask2FormerHead, which classifies masks'):
        check_tap(net, Tap('backbone'), 'teacher')
    with pytest.raises(ValueError, match='student is a Conv2d'):
        check_tap(nn.Conv2d(1, 1, 1), LOGITS, 'student')
