"""ClassMix against the sentence that defines it."""

import torch

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
