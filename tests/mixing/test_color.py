"""Colour operations against the standard library, blur against its integral and OpenCV."""

import colorsys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from dts.mixing import color
from dts.mixing.color import (
    ColorAugmentation,
    add_brightness,
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    gaussian_blur,
    scale_saturation,
    shift_hue,
)
from dts.registry import MODELS


def column(*values):
    return torch.tensor(values).view(-1, 1, 1, 1)


def preprocessor(is_rgb=True):
    return SimpleNamespace(
        mean=torch.tensor([123.0, 116.0, 103.0]).view(3, 1, 1),
        std=torch.tensor([58.0, 57.0, 56.0]).view(3, 1, 1),
        channel_conversion=is_rgb,
    )


def normalised(images, **kwargs):
    stats = preprocessor(**kwargs)
    return (images * 255 - stats.mean) / stats.std


def test_hue_turns_as_in_the_standard_library():
    images = torch.rand(3, 3, 4, 5)
    images[0, :, 0, 0] = 0.4  # grey has no hue
    shifts = (0.0, 0.2, -0.45)
    turned = shift_hue(images, column(*shifts))
    for b in range(3):
        for row in range(4):
            for col in range(5):
                hue, saturation, value = colorsys.rgb_to_hsv(*images[b, :, row, col].tolist())
                expected = colorsys.hsv_to_rgb((hue + shifts[b]) % 1.0, saturation, value)
                torch.testing.assert_close(
                    turned[b, :, row, col], torch.tensor(expected), atol=1e-5, rtol=0
                )


def test_brightness_contrast_and_saturation_at_their_ends():
    images = torch.rand(2, 3, 4, 4)
    one, zero = column(1.0, 1.0), column(0.0, 0.0)
    grey = 0.299 * images[:, 0] + 0.587 * images[:, 1] + 0.114 * images[:, 2]
    for operation in (adjust_brightness, adjust_contrast, adjust_saturation):
        torch.testing.assert_close(operation(images, one), images)
    assert (adjust_brightness(images, zero) == 0).all()
    torch.testing.assert_close(adjust_saturation(images, zero)[:, 1], grey)
    flat = adjust_contrast(images, zero)
    torch.testing.assert_close(flat, grey.mean((1, 2))[:, None, None, None].expand_as(flat))
    torch.testing.assert_close(
        adjust_brightness(images, column(0.5, 2.0))[1], (2 * images[1]).clamp(max=1)
    )


def test_saturation_of_hsv_is_scaled_and_added_brightness_clamped():
    images = torch.rand(3, 3, 4, 5)
    images[0, :, 0, 0], images[1, :, 0, 0] = 0.4, 0.0  # grey and black have no saturation
    factors = (0.0, 0.7, 1.4)
    scaled = scale_saturation(images, column(*factors))
    for b in range(3):
        for row in range(4):
            for col in range(5):
                hue, saturation, value = colorsys.rgb_to_hsv(*images[b, :, row, col].tolist())
                expected = colorsys.hsv_to_rgb(hue, min(saturation * factors[b], 1.0), value)
                torch.testing.assert_close(
                    scaled[b, :, row, col], torch.tensor(expected), atol=1e-5, rtol=0
                )
    added = add_brightness(torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1), column(1.2, 0.8))
    expected = torch.tensor([[0.3, 0.7, 1.0], [0.0, 0.3, 0.7]]).view(2, 3, 1, 1)
    torch.testing.assert_close(added, expected)


def test_released_adjustments_on_request():
    """Factors 1.25 of a grey image: 0.4 + 0.25, times 1.25; by default 0.4 times 1.25."""
    stats = dict(mean=torch.zeros(3, 1, 1), std=torch.ones(3, 1, 1), channel_conversion=True)
    images = torch.full((1, 3, 16, 16), 0.4 * 255)
    once = dict(strength=0.25, jitter_probability=1.0, blur_probability=0.0)
    for adjustments, expected in (('pillow', 0.4 * 1.25), ('kornia', (0.4 + 0.25) * 1.25)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, 'rand', lambda *size, **kwargs: torch.ones(size))
            changed = ColorAugmentation(**once, adjustments=adjustments)
            changed.jitter_probability = 2.0  # the draw is 1
            result = changed(images, SimpleNamespace(**stats)) / 255
        torch.testing.assert_close(result, torch.full_like(result, expected))
    with pytest.raises(ValueError, match=r'adjustments must be one of .* got .PIL.'):
        ColorAugmentation(adjustments='PIL')


def test_blur_equals_opencv_with_a_sigma_per_image():
    images = torch.rand(2, 3, 20, 24)
    blurred = gaussian_blur(images, torch.tensor([0.3, 1.1]))
    for image, result, sigma in zip(images, blurred, (0.3, 1.1), strict=True):
        expected = cv2.GaussianBlur(
            image.permute(1, 2, 0).numpy(), (11, 11), sigma, borderType=cv2.BORDER_REFLECT_101
        )
        np.testing.assert_allclose(result.permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_autocast_does_not_round_colors():
    images = normalised(torch.rand(2, 3, 16, 16))
    augmentation = ColorAugmentation(0.25, jitter_probability=1.0, blur_probability=1.0)
    results = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=enabled):
            results.append(augmentation(images, preprocessor()))
            assert torch.is_autocast_enabled('cpu') is enabled  # afterwards as before
    assert torch.equal(*results)


def test_nothing_happens_at_probability_zero():
    images = normalised(torch.rand(2, 3, 16, 16))
    augmentation = ColorAugmentation(0.25, jitter_probability=0.0, blur_probability=0.0)
    torch.testing.assert_close(augmentation(images, preprocessor()), images, atol=1e-5, rtol=1e-5)


def test_every_image_draws_for_itself_at_the_probability():
    images = normalised(torch.rand(1, 3, 16, 16)).expand(300, 3, 16, 16)
    augmentation = ColorAugmentation(0.25, jitter_probability=0.7, blur_probability=0.0)
    changed = (augmentation(images, preprocessor()) - images).abs().flatten(1).amax(1) > 1e-4
    assert float(changed.float().mean()) == pytest.approx(0.7, abs=0.08)


def test_trap_06_a_batch_draws_once_on_request_whether_it_is_jittered_and_blurred(monkeypatch):
    monkeypatch.setattr(color, 'BLUR_SIGMA', (0.8, 1.15))  # with 0.15 a blurred image is as before
    images = normalised(torch.rand(4, 3, 16, 16))
    outcomes = set()
    for probabilities in ((0.5, 0.0), (0.0, 0.5)):
        augmentation = ColorAugmentation(0.25, *probabilities, per_batch=True)
        for _ in range(20):
            difference = augmentation(images, preprocessor()) - images
            changed = difference.abs().flatten(1).amax(1) > 1e-3
            assert len(set(changed.tolist())) == 1
            outcomes.add((probabilities, bool(changed[0])))
    assert len(outcomes) == 4  # both happen, and both do not


def test_trap_06_images_of_a_batch_keep_factors_and_sigmas_of_their_own():
    images = normalised(torch.rand(1, 3, 16, 16)).expand(4, 3, 16, 16)
    for probabilities in ((1.0, 0.0), (0.0, 1.0)):
        results = ColorAugmentation(0.25, *probabilities, per_batch=True)(images, preprocessor())
        assert (results[1:] - results[:1]).abs().flatten(1).amax(1).min() > 1e-3


def test_channel_order_does_not_matter():
    colors = torch.rand(2, 3, 16, 16)
    augmentation = ColorAugmentation(0.25, jitter_probability=1.0, blur_probability=0.0)
    stats = preprocessor()
    swapped = SimpleNamespace(
        mean=stats.mean.flip(0), std=stats.std.flip(0), channel_conversion=False
    )
    torch.manual_seed(0)
    rgb = augmentation((colors * 255 - stats.mean) / stats.std, stats)
    torch.manual_seed(0)
    bgr = augmentation((colors.flip(1) * 255 - swapped.mean) / swapped.std, swapped)
    torch.testing.assert_close(rgb, bgr.flip(1), atol=1e-5, rtol=1e-5)


def test_results_stay_in_the_range_of_images():
    augmentation = ColorAugmentation(0.5, 1.0, 1.0)
    stats = preprocessor()
    result = augmentation(normalised(torch.rand(8, 3, 16, 16)), stats) * stats.std + stats.mean
    assert result.min() > -1e-3
    assert result.max() < 255 + 1e-3


def test_a_student_that_does_not_normalise_is_told_which_key_to_set():
    plain = MODELS.build(dict(type='mmseg.SegDataPreProcessor'))
    with pytest.raises(ValueError, match=r'student.data_preprocessor.mean and .std'):
        ColorAugmentation()(torch.rand(1, 3, 16, 16), plain)
    unit = MODELS.build(dict(type='mmseg.SegDataPreProcessor', mean=[0] * 3, std=[1] * 3))
    images = 255 * torch.rand(1, 3, 16, 16)
    same = ColorAugmentation(0.25, 0.0, 0.0)(images, unit)
    torch.testing.assert_close(same, images, atol=1e-3, rtol=0)


def test_ranges_are_checked():
    with pytest.raises(ValueError, match=r'strength must be in \[0, 0.5\], got 1.0'):
        ColorAugmentation(1.0)
    with pytest.raises(ValueError, match='blur_probability'):
        ColorAugmentation(0.2, blur_probability=2.0)
