"""Pasting by hand, and who is whose partner."""

import pytest
import torch

from dts.mixing.classmix import ClassMix
from dts.mixing.cutmix import BetaCutMix, CutMix, HalfCutMix
from dts.mixing.plan import MixPlan, draw_partner, paste

OPERATIONS = [
    CutMix(probability=1.0),
    BetaCutMix(),
    BetaCutMix(permute=True),
    HalfCutMix(),
    ClassMix(),
    ClassMix(permute=True),
]


def test_empty_mask_is_the_identity_and_full_mask_shows_the_partner():
    images, partner = torch.randn(3, 2, 4, 4), torch.tensor([2, 0, 1])
    empty = torch.zeros(3, 4, 4, dtype=torch.bool)
    assert torch.equal(paste(MixPlan(empty, partner), images), images)
    assert torch.equal(paste(MixPlan(~empty, partner), images), images[[2, 0, 1]])


def test_paste_equals_a_loop_over_pixels():
    images = torch.randn(3, 2, 4, 5)
    plan = MixPlan(torch.rand(3, 4, 5) < 0.5, torch.tensor([1, 1, 0]))
    mixed = paste(plan, images)
    for b in range(3):
        for row in range(4):
            for column in range(5):
                source = int(plan.partner[b]) if plan.mask[b, row, column] else b
                assert torch.equal(mixed[b, :, row, column], images[source, :, row, column])


@pytest.mark.parametrize('operation', OPERATIONS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize('num_classes', [2, 19, 150, 255])
def test_one_plan_moves_image_label_and_confidence_together(operation, num_classes):
    # The image stores the label in every channel and the confidence is a function of the label.
    labels = torch.randint(0, num_classes, (5, 6, 8))
    labels[0, :2] = 255
    images = labels[:, None].expand(5, 3, 6, 8).float()
    plan = operation(labels, num_classes)
    assert plan.mask.any()
    mixed = paste(plan, images)
    assert torch.equal(mixed[:, 0].long(), paste(plan, labels))
    assert torch.equal(mixed[:, 2] / 256, paste(plan, labels.float() / 256))


@pytest.mark.parametrize('operation', OPERATIONS, ids=lambda o: type(o).__name__)
def test_a_fixed_generator_gives_a_fixed_plan(operation):
    labels = torch.arange(7).repeat(4, 9, 2)
    one, two, other = (
        operation(labels, 7, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(one.mask, two.mask)
    assert torch.equal(one.partner, two.partner)
    assert not torch.equal(one.mask, other.mask)


def test_no_image_of_a_batch_is_its_own_partner_unless_permuted():
    for batch_size in (2, 3, 4, 5):
        partner = draw_partner(torch.zeros(batch_size, 1, 1), permute=False, generator=None)
        assert sorted(partner.tolist()) == list(range(batch_size))
        assert (partner != torch.arange(batch_size)).all()
    assert draw_partner(torch.zeros(1, 1, 1), permute=True, generator=None).tolist() == [0]


def test_two_permuted_images_swap_in_classmix_and_half_of_the_time_in_cutmix():
    labels = torch.arange(4).repeat(2, 4, 1)
    swaps = {}
    for operation in (ClassMix(permute=True), BetaCutMix(permute=True)):
        generator = torch.Generator().manual_seed(0)
        partners = [operation(labels, 4, generator).partner.tolist() for _ in range(200)]
        swaps[type(operation)] = partners.count([1, 0])
    assert swaps[ClassMix] == 200
    assert 70 < swaps[BetaCutMix] < 130


def test_permuted_partners_are_uniform():
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(3, 3)
    for _ in range(1200):
        partner = draw_partner(torch.zeros(3, 1, 1), permute=True, generator=generator)
        assert sorted(partner.tolist()) == [0, 1, 2]
        counts[torch.arange(3), partner] += 1
    torch.testing.assert_close(counts / 1200, torch.full((3, 3), 1 / 3), atol=0.06, rtol=0)
