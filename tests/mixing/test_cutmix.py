"""CutMix boxes by their statistics, pasting by hand."""

import torch

from dts.mixing.cutmix import cutmix_masks, paste


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_empty_mask_is_the_identity_and_full_mask_reverses_the_batch():
    images = torch.randn(3, 2, 4, 4)
    empty = torch.zeros(3, 4, 4, dtype=torch.bool)
    assert torch.equal(paste(empty, images), images)
    assert torch.equal(paste(~empty, images), images.flip(0))


def test_one_mask_moves_image_label_and_weight_together():
    # The image stores the label in every channel and the weight is a function of the label.
    labels = torch.randint(0, 255, (4, 6, 8))
    images = labels[:, None].expand(4, 3, 6, 8).float()
    mask = cutmix_masks(4, 6, 8, probability=1.0, generator=generator())
    mixed = paste(mask, images)
    assert torch.equal(mixed[:, 0].long(), paste(mask, labels))
    assert torch.equal(mixed[:, 2] * 2, paste(mask, labels.float() * 2))


def test_boxes_are_rectangles_with_the_area_and_aspect_asked_for():
    masks = cutmix_masks(400, 64, 64, probability=1.0, area=(0.1, 0.2), generator=generator())
    for mask in masks:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])
        assert mask.sum() > 0
        height, width = int(rows.sum()), int(columns.sum())
        assert 0.3 * 0.8 < height / width < 1 / 0.3 * 1.25  # half-pixel rounding of 12-pixel sides
    share = masks.float().mean()
    torch.testing.assert_close(share, torch.tensor(0.15), atol=0.01, rtol=0)


def test_probability_is_the_share_of_images_with_a_box():
    masks = cutmix_masks(2000, 16, 16, probability=0.5, generator=generator())
    share = masks.flatten(1).any(1).float().mean()
    torch.testing.assert_close(share, torch.tensor(0.5), atol=0.04, rtol=0)
    assert not cutmix_masks(50, 16, 16, probability=0.0, generator=generator()).any()


def test_boxes_reach_every_pixel():
    masks = cutmix_masks(3000, 8, 8, probability=1.0, generator=generator())
    assert masks.float().mean(0).min() > 0.01


def test_a_fixed_generator_gives_fixed_boxes():
    one, two = (cutmix_masks(4, 16, 16, generator=generator(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, cutmix_masks(4, 16, 16, generator=generator(4)))
