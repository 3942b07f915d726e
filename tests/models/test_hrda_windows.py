"""Windows of HRDA: geometry by enumeration, merging and fusion by hand."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from torch import Tensor

from dts.models.hrda_windows import average_windows, draw_box, fuse, shrink, slide_boxes
from dts.segmentor import Box


def test_nine_windows_cover_the_published_crop() -> None:
    boxes = slide_boxes((1024, 1024), (512, 512))
    corners = [(0, 0), (0, 256), (0, 512), (256, 0), (256, 256), (256, 512)]
    corners += [(512, 0), (512, 256), (512, 512)]
    assert [(box.top, box.left) for box in boxes] == corners
    assert all(box.bottom - box.top == box.right - box.left == 512 for box in boxes)


def test_last_windows_end_at_the_border_and_small_images_are_one_window() -> None:
    lefts = [box.left for box in slide_boxes((512, 1104), (512, 512))]
    assert lefts == [0, 256, 512, 592]
    assert slide_boxes((64, 40), (512, 512)) == [Box(0, 64, 0, 40)]
    assert slide_boxes((64, 80), (512, 40)) == [
        Box(0, 64, 0, 40),
        Box(0, 64, 20, 60),
        Box(0, 64, 40, 80),
    ]


@pytest.mark.parametrize(('include_last', 'last'), [(True, 512), (False, 504)])
def test_trap_12_corners_are_multiples_of_eight_up_to_the_last(
    include_last: bool, last: int
) -> None:
    boxes = [draw_box((1024, 1024), (512, 512), 8, include_last=include_last) for _ in range(3000)]
    for edges in ([box.top for box in boxes], [box.left for box in boxes]):
        counts = Counter(edges)
        assert sorted(counts) == list(range(0, last + 1, 8))
        assert max(counts.values()) < 3 * min(counts.values())
    assert all(box.bottom == box.top + 512 and box.right == box.left + 512 for box in boxes)
    assert any(box.top != box.left for box in boxes)


@pytest.mark.parametrize('include_last', [True, False])
def test_windows_as_large_as_the_image_are_the_image(include_last: bool) -> None:
    for size in ((512, 512), (64, 128)):
        box = draw_box(size, (512, 512), 8, include_last=include_last)
        assert box == Box(0, size[0], 0, size[1])


def test_draws_follow_the_seed_that_all_ranks_share() -> None:
    random.seed(7)
    first = [draw_box((128, 128), (64, 64), 8) for _ in range(5)]
    torch.manual_seed(1)
    random.seed(7)
    assert [draw_box((128, 128), (64, 64), 8) for _ in range(5)] == first


def test_boxes_shrink_with_the_map() -> None:
    assert shrink(Box(8, 24, 16, 48), 8) == Box(1, 3, 2, 6)


def test_overlapping_windows_are_averaged() -> None:
    values = [torch.full((1, 2, 2, 4), value) for value in (1.0, 3.0, 8.0)]
    boxes = [Box(0, 2, 0, 4), Box(0, 2, 2, 6), Box(0, 2, 4, 8)]
    merged = average_windows(values, boxes)
    expected = torch.tensor([1.0, 1.0, 2.0, 2.0, 5.5, 5.5, 8.0, 8.0]).expand(1, 2, 2, 8)
    torch.testing.assert_close(merged, expected)


def constants(attention: float, size: tuple[int, int] = (4, 4)) -> tuple[Tensor, Tensor]:
    """Context of 2 everywhere and its scale attention."""
    return torch.full((1, 3, *size), 2.0), torch.full((1, 3, *size), attention)


@pytest.mark.parametrize('box', [None, Box(2, 6, 4, 8)])
def test_without_attention_the_context_is_everywhere(box: Box | None) -> None:
    detail = torch.full((1, 3, 8, 8) if box is None else (1, 3, 4, 4), 5.0)
    fused = fuse(*constants(0.0), detail, box)
    torch.testing.assert_close(fused, torch.full((1, 3, 8, 8), 2.0))


def test_full_attention_is_the_detail() -> None:
    detail = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    torch.testing.assert_close(fuse(*constants(1.0), detail), detail)


def test_full_attention_in_a_window_and_its_border() -> None:
    # Upsampled by 2, attention 0 0 1 1 is 0 0 0 .25 .75 1 1 1, and what is left of the context its
    # complement; the detail of 5 begins in column 4.
    box = Box(0, 8, 4, 8)
    fused = fuse(*constants(1.0), torch.full((1, 3, 8, 4), 5.0), box)
    row = torch.tensor([2.0, 2.0, 2.0, 0.75 * 2, 0.25 * 2 + 0.75 * 5, 5.0, 5.0, 5.0])
    torch.testing.assert_close(fused, row.expand(1, 3, 8, 8))


def test_a_window_lies_where_its_box_says() -> None:
    box = Box(4, 12, 8, 16)
    detail = torch.full((1, 3, 8, 8), 5.0)
    fused = fuse(*constants(1.0, (8, 12)), detail, box)
    inside = fused[..., 5:11, 9:15]
    torch.testing.assert_close(inside, torch.full_like(inside, 5.0))
    for outside in (fused[..., :3, :], fused[..., 13:, :], fused[..., :7], fused[..., 17:]):
        torch.testing.assert_close(outside, torch.full_like(outside, 2.0))


def test_classes_have_their_own_attention() -> None:
    context = torch.full((1, 2, 1, 1), 4.0)
    attention = torch.tensor([0.25, 1.0]).view(1, 2, 1, 1)
    fused = fuse(context, attention, torch.full((1, 2, 2, 2), 8.0))
    torch.testing.assert_close(fused[0, :, 0, 0], torch.tensor([0.75 * 4 + 0.25 * 8, 8.0]))
