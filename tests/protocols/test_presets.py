"""The table of protocols: every name once, and the numbers of the papers."""

import pytest

from dts.protocols.presets import FAMILIES, PROTOCOLS, SETTINGS, find_protocol


def test_names_lead_to_their_protocols() -> None:
    num = sum(len(family.sizes) * len(SETTINGS[family.dataset]) for family in FAMILIES)
    assert len(PROTOCOLS) == num
    assert all(find_protocol(name).name == name for name in PROTOCOLS)


@pytest.mark.parametrize(
    ('name', 'labels', 'crop', 'evaluation'),
    [
        ('voc2012-classic-92-321', 92, 321, 'whole'),
        ('voc2012-blended-662-513', 662, 513, 'whole'),
        (
            'cityscapes-cps-186-801',
            186,
            801,
            'slide (crop_size (801, 801), stride (534, 534))',
        ),
        ('cityscapes-cps-186-801-center', 186, 801, 'center (crop_size (801, 801))'),
        ('ade20k-semivl-631-512', 631, 512, 'whole'),
        ('coco-pseudoseg-232-513', 232, 513, 'whole'),
    ],
)
def test_contents(name: str, labels: int, crop: int, evaluation: str) -> None:
    protocol = find_protocol(name)
    assert protocol.num_labeled == labels
    assert protocol.crop_size == (crop, crop)
    assert str(protocol.evaluation) == evaluation
    assert protocol.models == ('student', 'teacher')


def test_sizes_are_fractions_of_the_training_sets() -> None:
    for total, fractions in (
        (10582, {16: 662, 8: 1323, 4: 2646, 2: 5291}),
        (2975, {16: 186, 8: 372, 4: 744, 2: 1488}),
        (20210, {128: 158, 64: 316, 32: 632, 16: 1263, 8: 2526}),
        (118287, {512: 232, 256: 463, 128: 925, 64: 1849, 32: 3697}),
    ):
        families = [f for f in FAMILIES if PROTOCOLS_OF[f.dataset] == total]
        assert families
        for part, size in fractions.items():
            assert abs(total / part - size) < 1
            assert any(size in family.sizes for family in families)


PROTOCOLS_OF = {p.family.dataset: p.source.num_images for p in PROTOCOLS.values()}


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(
        ValueError,
        match="no protocol 'voc2012-classic-93-321'; the nearest are voc2012-classic-92-321",
    ):
        find_protocol('voc2012-classic-93-321')
