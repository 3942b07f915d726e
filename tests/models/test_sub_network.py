"""Sub-networks: what is left out, how often, and that nothing of it stays behind."""

import random

import pytest
import torch
from mmengine.model import BaseModule
from mmseg.models.backbones import MixVisionTransformer, ResNetV1c
from torch import nn

from dts.models.efficientnet_lite import EfficientNetLite
from dts.models.sub_network import SubNetwork, drop_path_layers


class Segmentor(nn.Module):
    def __init__(self, backbone: BaseModule) -> None:
        super().__init__()
        self.backbone = backbone


def resnet():
    return ResNetV1c(depth=18, stem_channels=8, base_channels=8, norm_eval=False)


def mit():
    return MixVisionTransformer(
        embed_dims=8, num_layers=(2, 2, 1, 1), num_heads=(1, 1, 1, 1), drop_path_rate=0.3
    )


def outputs(segmentor, images, seed=0):
    torch.manual_seed(seed)
    random.seed(seed)
    return segmentor.backbone(images)


CASES = [
    (resnet, 'block_skip'),
    (resnet, 'stage_skip'),
    (EfficientNetLite, 'block_skip'),
    (EfficientNetLite, 'stage_skip'),
    (mit, 'drop_path'),
]


@pytest.mark.parametrize(('make', 'kind'), CASES)
def test_inside_it_differs_and_outside_nothing_is_left(make, kind):
    segmentor = Segmentor(make()).train()
    images = torch.randn(2, 3, 64, 64)
    before = outputs(segmentor, images)
    rates = [layer.drop_prob for block in drop_path_layers(segmentor) for layer in block]
    with SubNetwork(kind, 0.95).drawn(segmentor):
        inside = outputs(segmentor, images)
    assert not torch.equal(inside[-1], before[-1])
    assert torch.equal(outputs(segmentor, images)[-1], before[-1])
    after = [layer.drop_prob for block in drop_path_layers(segmentor) for layer in block]
    assert after == rates
    assert all('forward' not in vars(module) for module in segmentor.modules())
    assert all(not module._forward_hooks for module in segmentor.modules())


@pytest.mark.parametrize(('make', 'kind'), CASES)
def test_it_is_the_full_network_in_eval_mode_and_with_rate_zero(make, kind):
    segmentor = Segmentor(make()).eval()
    images = torch.randn(2, 3, 64, 64)
    with SubNetwork(kind, 0.95).drawn(segmentor):
        inside = outputs(segmentor, images)
    assert torch.equal(inside[-1], outputs(segmentor, images)[-1])
    segmentor.train()
    for layer in (layer for block in drop_path_layers(segmentor) for layer in block):
        layer.drop_prob = 0.0
    with SubNetwork(kind, 0.0).drawn(segmentor):
        inside = outputs(segmentor, images)
    torch.testing.assert_close(inside[-1], outputs(segmentor, images)[-1])


def test_skipped_stages_are_their_projections_and_their_statistics_rest():
    segmentor = Segmentor(resnet()).train()
    backbone, images = segmentor.backbone, torch.randn(2, 3, 64, 64)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with SubNetwork('stage_skip', 0.999).drawn(segmentor):
        inside = outputs(segmentor, images)
    after = backbone.state_dict()
    x = backbone.maxpool(backbone.stem(images)).relu()
    for index, name in enumerate(backbone.res_layers):
        first = getattr(backbone, name)[0]
        x = (x if first.downsample is None else first.downsample(x)).relu()
        torch.testing.assert_close(inside[index], x)
        for key in after:
            if key.startswith(f'{name}.') and 'downsample' not in key:
                assert torch.equal(after[key], before[key]), key


def test_rates_rise_linearly_over_the_blocks():
    segmentor = Segmentor(mit()).train()
    with SubNetwork('drop_path', 0.5).drawn(segmentor):
        blocks = drop_path_layers(segmentor.backbone)
        rates = [[layer.drop_prob for layer in block] for block in blocks]
    assert len(blocks) == 6
    for index, block in enumerate(rates):
        assert block == [pytest.approx(0.5 * index / 5)] * 2  # attention and feed-forward


@pytest.mark.slow
def test_branches_are_dropped_per_sample_at_their_rate_and_scaled():
    segmentor = Segmentor(EfficientNetLite()).train()
    block = segmentor.backbone.levels[3][-2]  # the last block with a shortcut: 14 of 15 steps deep
    seen = []
    with SubNetwork('block_skip', 0.6).drawn(segmentor):
        block.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        block.project.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        block.project.act.register_forward_hook(lambda _, args, out: seen.append(out.clone()))
        block.register_forward_hook(lambda _, args, out: seen.append(out))
        outputs(segmentor, torch.randn(600, 3, 32, 32))
    x, _, branch, out = seen
    rate = 0.6 * 14 / 15
    dropped = ((out - x) == 0).flatten(1).all(1)
    assert float(dropped.float().mean()) == pytest.approx(rate, abs=0.06)
    kept = ~dropped
    torch.testing.assert_close((out - x)[kept], branch[kept] / (1 - rate), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(('make', 'kind'), [(resnet, 'block_skip'), (mit, 'drop_path')])
def test_blocks_that_the_backward_pass_would_run_again_are_refused(make, kind):
    segmentor = Segmentor(make())
    next(m for m in segmentor.modules() if hasattr(m, 'with_cp')).with_cp = True
    with pytest.raises(ValueError, match='with_cp=False in the backbone'):  # noqa: SIM117
        with SubNetwork(kind).drawn(segmentor):
            pass
    with SubNetwork('none').drawn(segmentor):
        pass


def test_skipped_stages_have_their_gradient_when_blocks_are_run_again():
    segmentor, images = Segmentor(resnet()).train(), torch.randn(2, 3, 64, 64)
    gradients = []
    for with_cp in (False, True):
        for module in segmentor.modules():
            if hasattr(module, 'with_cp'):
                module.with_cp = with_cp
        random.seed(1)
        segmentor.zero_grad()
        with SubNetwork('stage_skip', 0.5).drawn(segmentor):
            levels = outputs(segmentor, images.clone().requires_grad_())
        levels[-1].square().mean().backward()
        weights = segmentor.named_parameters()
        gradients.append({name: w.grad.clone() for name, w in weights if w.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    torch.testing.assert_close(gradients[0], gradients[1])


def test_all_ranks_skip_the_same_stages():
    """Ranks share the seed of Python's generator alone; their torch generators differ."""
    segmentor = Segmentor(resnet())
    blocks = [
        block
        for name in segmentor.backbone.res_layers
        for block in getattr(segmentor.backbone, name)
    ]

    def skipped(seed, rank):
        random.seed(seed)
        torch.manual_seed(100 * seed + rank)
        with SubNetwork('stage_skip', 0.5).drawn(segmentor):
            return ['forward' in vars(block) for block in blocks]

    draws = [[skipped(seed, rank) for rank in range(3)] for seed in range(8)]
    assert all(of_ranks == [of_ranks[0]] * 3 for of_ranks in draws)
    assert len({tuple(of_ranks[0]) for of_ranks in draws}) > 1


def test_backbones_without_the_kind_are_refused_with_the_fix():
    with pytest.raises(ValueError, match="no drop-path layer; use 'block_skip'"):  # noqa: SIM117
        with SubNetwork('drop_path').drawn(Segmentor(resnet())):
            pass
    with pytest.raises(ValueError, match="use the sub-network kind 'drop_path'"):  # noqa: SIM117
        with SubNetwork('block_skip').drawn(Segmentor(mit())):
            pass
    with pytest.raises(ValueError, match=r'rate of a sub-network must be in \[0, 1\), got 1'):
        SubNetwork('block_skip', 1.0)
