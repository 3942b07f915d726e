"""Label codes: one gather, its noise, its families, and what they tell."""

import pytest
import torch

from dts.label_assisted.codes import FAMILIES, fixed_ramp, look_up
from dts.registry import MODELS


def codes(num_classes: int = 4, **kwargs):
    return MODELS.build(dict(type='dts.LabelCodes', num_classes=num_classes, **kwargs)).eval()


def some_labels(num_classes: int = 4, count: int = 3, size: int = 8) -> torch.Tensor:
    labels = torch.randint(num_classes, (count, size, size))
    return labels.masked_fill(torch.rand(labels.shape) < 0.2, 255)


@pytest.mark.parametrize('channels', [1, 5])
def test_one_gather_equals_the_loop_of_masked_writes(channels):
    labels = some_labels()
    table = torch.randn(3, 5, channels)
    expected = torch.zeros(3, channels, 8, 8)
    for image in range(3):
        for k in range(5):
            is_class = labels[image] == (255 if k == 4 else k)
            for channel in range(channels):
                expected[image, channel][is_class] = table[image, k, channel]
    assert torch.equal(look_up(table, labels), expected)


def test_ramp_is_that_of_the_released_code():
    # 21 classes: (k - 11) / 10, from -1.1 for class 0 to 1.0 for ignored pixels
    expected = torch.tensor([(k - 11) / 10 for k in range(22)])
    torch.testing.assert_close(fixed_ramp(1, 21, torch.device('cpu'))[0, :, 0], expected)


def test_ramp_of_small_class_counts_by_hand():
    ramps = [fixed_ramp(1, count, torch.device('cpu'))[0, :, 0] for count in (1, 2, 3)]
    for ramp, expected in zip(ramps, ([-2, 0], [-3, -1, 1], [-2, -1, 0, 1]), strict=True):
        torch.testing.assert_close(ramp, torch.tensor(expected, dtype=torch.float32))


def test_permuted_ramp_deals_the_ramp_anew_to_every_image():
    tables = FAMILIES['permuted_ramp'](64, 4, torch.device('cpu'))
    ramp = fixed_ramp(64, 4, torch.device('cpu'))
    assert torch.equal(tables.sort(dim=1).values, ramp)
    for k in range(5):
        assert len(tables[:, k].unique()) == 5  # every class gets every code


def test_one_hot_has_a_channel_for_every_class_and_for_ignored_pixels():
    labels = torch.tensor([[[0, 2], [255, 1]]])
    module = codes(3, family='one_hot', scale=2.0, pixel_sigma=0.0)
    assert module.num_channels == 4
    expected = 2.0 * torch.nn.functional.one_hot(torch.tensor([[[0, 2], [3, 1]]]), 4)
    assert torch.equal(module(labels), expected.permute(0, 3, 1, 2).float())


def test_standard_deviation_over_many_draws_is_the_scale():
    labels = torch.zeros(40_000, 1, 1, dtype=torch.long)
    values = codes(scale=1.735, pixel_sigma=0.0)(labels)
    # standard error of a standard deviation: s / sqrt(2 n)
    assert abs(values.std().item() - 1.735) < 4 * 1.735 / (2 * 40_000) ** 0.5
    assert abs(values.mean().item()) < 4 * 1.735 / 40_000**0.5


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('num_classes', [1, 2, 7, 171])
def test_pixels_of_one_class_differ_by_pixel_noise_alone(family, num_classes):
    labels = torch.full((1, 60, 60), num_classes - 1)
    values = codes(num_classes, family=family, pixel_sigma=0.052)(labels)
    assert values.shape == (1, num_classes + 1 if family == 'one_hot' else 1, 60, 60)
    noise = values[0, 0] - values[0, 0].mean()
    assert abs(noise.std().item() - 0.052) < 4 * 0.052 / (2 * 3600) ** 0.5
    exact = codes(num_classes, family=family, pixel_sigma=0.0)(labels)
    assert torch.equal(exact, exact[..., :1, :1].expand_as(exact))


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('num_classes', [1, 2, 3, 19, 171])
def test_every_class_count_and_an_ignored_crop_are_finite(family, num_classes):
    module = codes(num_classes, family=family)
    labels = torch.arange(num_classes).repeat(2, 1, 1)
    assert module(labels).isfinite().all()
    assert module(torch.full((2, 4, 4), 255)).isfinite().all()


def test_ignored_pixels_have_a_code_of_their_own():
    labels = torch.tensor([[[0, 1, 2, 3, 255]]])
    for family in FAMILIES:
        values = codes(family=family, pixel_sigma=0.0)(labels)[0, :, 0]  # (C, 5)
        assert len(values.unique(dim=1).T) == 5


@pytest.mark.parametrize('family', ['gaussian', 'permuted_ramp'])
def test_renaming_the_classes_keeps_the_distribution_of_codes(family):
    """Codes tell which pixels share a class, not which: every class has the same moments."""
    labels = torch.tensor([[[0, 1, 2, 3, 255]]]).expand(20_000, -1, -1)
    values = codes(family=family, scale=1.0, pixel_sigma=0.0)(labels).flatten(1)  # (n, 5)
    order = torch.tensor([3, 0, 4, 1, 2])
    for moment in (values.mean(0), values.var(0), (values**3).mean(0), values.T.corrcoef()):
        renamed = moment[order] if moment.ndim == 1 else moment[order][:, order]
        torch.testing.assert_close(moment, renamed, atol=0.2, rtol=0)
    # the fixed ramp says which, and fails the same test
    fixed = codes(family='fixed_ramp', scale=1.0, pixel_sigma=0.0)(labels).flatten(1).mean(0)
    assert (fixed - fixed[order]).abs().max() > 1


def test_redraw_says_whether_images_share_their_codes():
    labels = torch.zeros(2, 1, 1, dtype=torch.long)
    first, second = codes(pixel_sigma=0.0, redraw='image')(labels)
    assert first != second
    first, second = codes(pixel_sigma=0.0, redraw='batch')(labels)
    assert first == second


def test_draws_follow_the_global_seed():
    labels = some_labels()
    values = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        values.append(codes(family='permuted_ramp')(labels))
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_a_share_of_the_images_loses_its_code_in_training_only():
    labels = torch.zeros(4000, 1, 2, dtype=torch.long)
    module = codes(channel_drop=0.25).train()
    is_zero = (module(labels) == 0).flatten(1)  # (4000, 2)
    assert torch.equal(is_zero[:, 0], is_zero[:, 1])  # a whole image or nothing
    assert abs(is_zero.float().mean().item() - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    assert not (module.eval()(labels) == 0).any()


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (dict(family='ramp'), "one of .*'fixed_ramp'.* got 'ramp'"),
        (dict(redraw='epoch'), "one of .*'batch'.* got 'epoch'"),
        (dict(scale=-1.0), 'scale >= 0'),
        (dict(pixel_sigma=-0.1), 'pixel_sigma >= 0'),
        (dict(channel_drop=1.5), 'channel_drop in'),
        (dict(num_classes=0), 'num_classes >= 1'),
    ],
)
def test_wrong_options_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        codes(**option)
