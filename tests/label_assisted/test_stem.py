"""Stems: the right convolution of every backbone, kept image weights, new slices as asked."""

import pytest
import torch
from torch import nn

from dts.label_assisted.stem import fill_code_slices, find_stem, image_stem, widen_stem
from dts.registry import MODELS

STDC = dict(
    type='mmseg.STDCNet',
    stdc_type='STDCNet1',
    in_channels=3,
    channels=(8, 8, 8, 16, 16),
    bottleneck_type='cat',
    num_convs=4,
    norm_cfg=dict(type='BN'),
    act_cfg=dict(type='ReLU'),
    with_final_conv=False,
)
STAGE = dict(num_modules=1, block='BASIC')
HRNET = dict(
    stage1=dict(STAGE, num_branches=1, num_blocks=(1,), num_channels=(8,)),
    stage2=dict(STAGE, num_branches=2, num_blocks=(1, 1), num_channels=(4, 8)),
    stage3=dict(STAGE, num_branches=3, num_blocks=(1, 1, 1), num_channels=(4, 8, 8)),
    stage4=dict(STAGE, num_branches=4, num_blocks=(1, 1, 1, 1), num_channels=(4, 8, 8, 8)),
)
SMALL_RESNET = dict(depth=18, stem_channels=8, base_channels=8)
BACKBONES = {
    'ResNetV1c': (dict(type='mmseg.ResNetV1c', **SMALL_RESNET), 'stem.0'),
    'ResNet': (dict(type='mmseg.ResNet', **SMALL_RESNET), 'conv1'),
    'MiT': (
        dict(type='mmseg.MixVisionTransformer', embed_dims=8, num_layers=[1] * 4),
        'layers.0.0.projection',
    ),
    'STDC': (STDC, 'stages.0.conv'),
    'STDC with context path': (
        dict(
            type='mmseg.STDCContextPathNet',
            backbone_cfg=STDC,
            last_in_channels=(16, 16),
            out_channels=8,
            ffm_cfg=dict(in_channels=16, out_channels=8, scale_factor=4),
        ),
        'backbone.stages.0.conv',
    ),
    'HRNet': (dict(type='mmseg.HRNet', extra=HRNET), 'conv1'),
    'Lite0': (dict(type='dts.EfficientNetLite', arch='lite0'), 'stem.conv'),
}


def maps_of(backbone: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        return list(backbone(images))


def relative_changes(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> list[float]:
    """Largest change of every level, in units of its largest value."""
    pairs = zip(actual, expected, strict=True)
    return [((a - b).abs().max() / b.abs().max()).item() for a, b in pairs]


@pytest.mark.parametrize('kind', BACKBONES)
def test_the_stem_of_every_supported_backbone_is_found_and_widened(kind):
    """With the code at zero a widened backbone is the narrow one, whatever its new slices hold."""
    config, name = BACKBONES[kind]
    backbone = MODELS.build(config)
    backbone.eval()
    images, code = torch.randn(2, 3, 64, 64), torch.randn(2, 2, 64, 64)
    expected = maps_of(backbone, images)
    assert find_stem(backbone) == name
    stem = backbone.get_submodule(name)
    image_weight = stem.weight.detach().clone()

    widen_stem(stem, 2)
    fill_code_slices(stem, 0.1)
    assert torch.equal(stem.weight[:, :3], image_weight)
    zeroed = maps_of(backbone, torch.cat([images, 0 * code], dim=1))
    assert max(relative_changes(zeroed, expected)) == 0  # a sum that 0 is added to last
    coded = maps_of(backbone, torch.cat([images, code], dim=1))
    assert min(relative_changes(coded, expected)) > 1e-2

    fill_code_slices(stem, 'zero')  # then the code makes no difference
    blind = maps_of(backbone, torch.cat([images, code], dim=1))
    assert max(relative_changes(blind, expected)) == 0


def wide_conv(num_channels: int = 4, out_channels: int = 64) -> nn.Conv2d:
    conv = nn.Conv2d(3, out_channels, 7)
    widen_stem(conv, num_channels)
    return conv


def test_new_slices_have_the_standard_deviation_asked_for():
    conv = wide_conv()  # 64 * 4 * 49 = 12544 new weights
    image_weight = conv.weight[:, :3].detach().clone()
    tolerance = 4 / (2 * 12544) ** 0.5
    wanted_std = image_weight.std().item()
    for stem_init, std in ((0.1, 0.1), (2, 2.0), ('match_rgb', wanted_std), ('zero', 0.0)):
        reported = fill_code_slices(conv, stem_init)
        assert reported == pytest.approx((std, wanted_std))
        new = conv.weight[:, 3:]
        assert abs(new.std().item() - std) <= tolerance * std
        assert abs(new.mean().item()) <= 4 * std / 12544**0.5
        assert torch.equal(conv.weight[:, :3], image_weight)


def test_initialisers_see_three_channels_of_the_same_parameter():
    conv = wide_conv()
    fill_code_slices(conv, 0.1)
    parameter, code_weight = conv.weight, conv.weight[:, 3:].detach().clone()
    pretrained = torch.randn(64, 3, 7, 7)
    with image_stem(conv):
        assert conv.weight is parameter
        conv.load_state_dict({'weight': pretrained, 'bias': torch.zeros(64)})
    assert conv.weight is parameter
    assert torch.equal(conv.weight[:, :3], pretrained)
    assert torch.equal(conv.weight[:, 3:], code_weight)
    assert conv(torch.zeros(1, 7, 7, 7)).shape == (1, 64, 1, 1)


def test_the_convolution_is_whole_again_after_a_failed_initialiser():
    conv = wide_conv()
    with pytest.raises(RuntimeError, match='size mismatch'), image_stem(conv):
        conv.load_state_dict({'weight': torch.randn(64, 7, 7, 7), 'bias': torch.zeros(64)})
    assert conv.weight.shape == (64, 7, 7, 7)


@pytest.mark.parametrize('channels', [4, 1])
def test_a_backbone_without_an_image_stem_is_refused(channels):
    backbone = MODELS.build(dict(type='mmseg.ResNet', in_channels=channels, **SMALL_RESNET))
    with pytest.raises(ValueError, match=r'stem of ResNet: .* found none. Leave in_channels at 3'):
        find_stem(backbone)


def test_several_stems_are_refused_by_name():
    backbone = MODELS.build(dict(type='mmseg.BiSeNetV2'))
    with pytest.raises(ValueError, match=r'stem of BiSeNetV2: .* found 2 \(detail.*semantic'):
        find_stem(backbone)


def test_a_grouped_stem_is_refused():
    with pytest.raises(ValueError, match='it has 3 groups'):
        find_stem(nn.Sequential(nn.Conv2d(3, 6, 3, groups=3)))


def test_a_frozen_stem_is_refused():
    backbone = MODELS.build(dict(type='mmseg.ResNetV1c', frozen_stages=1, **SMALL_RESNET))
    with pytest.raises(ValueError, match=r'frozen and would never learn .* frozen_stages=-1'):
        find_stem(backbone)


@pytest.mark.parametrize('stem_init', ['rgb', -0.1, None])
def test_unknown_starts_are_refused(stem_init):
    with pytest.raises(ValueError, match=r"0.1, 'match_rgb' or 'zero', got"):
        fill_code_slices(wide_conv(), stem_init)
