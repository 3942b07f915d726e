"""ClassMix against the sentence that defines it."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.mixing.classmix import ClassMix, draw_classes


def test_half_of_the_shown_classes_is_kept_whole():
    generator = torch.Generator().manual_seed(0)
    for num_classes in (2, 5, 19, 255):
        labels = torch.randint(0, num_classes, (4, 6, 6), generator=generator)
        labels[1, :3] = 255
        kept = draw_classes(labels, num_classes, generator)
        assert not kept[labels == 255].any()
        for image, mask in zip(labels, kept, strict=True):
            shown = set(image[image != 255].tolist())
            chosen = set(image[mask].tolist())
            assert len(chosen) == len(shown) // 2
            assert not chosen & set(image[~mask].tolist())


def test_half_is_rounded_up_on_request():
    labels = torch.tensor([[0, 1, 2], [0, 0, 0], [5, 5, 255]]).view(3, 1, 3)
    kept = draw_classes(labels, 6, round_up=True)
    chosen = [len(set(image[mask].tolist())) for image, mask in zip(labels, kept, strict=True)]
    assert chosen == [2, 1, 1]


def test_every_class_is_drawn_equally_often():
    labels = torch.tensor([0, 1, 3, 4]).view(1, 2, 2).expand(4000, 2, 2)
    kept = draw_classes(labels, 5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(kept.float().mean(0), torch.full((2, 2), 0.5), atol=0.03, rtol=0)


def test_a_single_class_and_an_image_without_any_are_replaced():
    labels = torch.stack([torch.full((3, 3), 4), torch.full((3, 3), 255)])
    plan = ClassMix()(labels, 7)
    assert plan.mask.all()


def test_draws_of_one_image_do_not_depend_on_the_other_images():
    labels = torch.arange(6).view(1, 2, 3).repeat(2, 1, 1)
    kept = draw_classes(labels, 6, torch.Generator().manual_seed(0))
    different = [
        torch.equal(*draw_classes(labels, 6, torch.Generator().manual_seed(seed)))
        for seed in range(20)
    ]
    assert not all(different)
    assert kept.flatten(1).sum(1).tolist() == [3, 3]


def union_loop(labels, num_classes, generator):
    """What the release does: every image draws half of the classes of the batch, 255 among them."""
    draws = torch.rand(len(labels), num_classes + 1, generator=generator)
    classes = sorted(set(labels.flatten().tolist()))
    mask = torch.zeros(labels.shape, dtype=torch.bool)
    for b, image in enumerate(labels):
        order = sorted(classes, key=lambda k, b=b: float(draws[b, min(k, num_classes)]))
        for k in order[: (len(classes) + 1) // 2]:
            mask[b] |= image == k
    return mask


def test_trap_05_classes_of_the_batch_are_drawn_on_request_and_of_the_image_by_default():
    labels = torch.tensor([[[0, 1, 1, 255]], [[2, 3, 3, 3]], [[0, 0, 0, 0]]])
    num_empty = num_ignored = 0
    for seed in range(30):
        generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
        expected = union_loop(labels, 5, generators[0])
        drawn = draw_classes(labels, 5, generators[1], round_up=True, class_draw='batch')
        assert torch.equal(drawn, expected)
        num_empty += int((~drawn.flatten(1).any(1)).sum())
        num_ignored += int(drawn[0, 0, 3])

        own = draw_classes(labels, 5, torch.Generator().manual_seed(seed), round_up=True)
        assert own.flatten(1).any(1).all()
        assert not own[0, 0, 3]
    assert num_empty > 0  # an image that shows none of the classes it drew
    assert 10 < num_ignored < 26  # 3 of 5: the ignored value is one more class


def test_trap_05_the_ignored_value_is_one_more_class_of_an_image_on_request():
    labels = torch.tensor([[[0, 1, 1, 255]], [[2, 3, 3, 3]], [[255, 255, 7, -1]]])
    num_ignored = 0
    for seed in range(60):
        generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
        drawn = draw_classes(labels, 5, generators[0], round_up=True, class_draw='image_ignored')
        draws = torch.rand(3, 6, generator=generators[1])
        for b, image in enumerate(labels):
            slots = [value if 0 <= value < 5 else 5 for value in image.flatten().tolist()]
            order = sorted(set(slots), key=lambda k, b=b: float(draws[b, k]))
            kept = set(order[: (len(order) + 1) // 2])
            assert drawn[b, 0].tolist() == [slot in kept for slot in slots]
        assert drawn[2].all()  # nothing else to draw from
        num_ignored += int(drawn[0, 0, 3])
    assert 28 < num_ignored < 52  # 2 of 3


def test_classes_of_the_batch_are_drawn_without_a_value_on_the_host():
    with FakeTensorMode(allow_non_fake_inputs=True):
        labels = torch.zeros(2, 4, 4, dtype=torch.int64, device='meta')
        assert draw_classes(labels, 3, class_draw='batch').device.type == 'meta'


def test_unknown_draw_is_named():
    with pytest.raises(ValueError, match=r"class_draw must be one of .*'batch'.* got 'union'"):
        draw_classes(torch.zeros(1, 1, 1, dtype=torch.int64), 2, class_draw='union')
