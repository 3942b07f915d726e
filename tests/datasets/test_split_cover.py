"""The smallest split shows every class."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dts.datasets.split_cover import move_cover_to_front, read_presence
from dts.datasets.split_draw import draw_splits, group_ids


def write_mask(path: Path, pixels: dict[int, int]) -> Path:
    """Write a 10x10 mask with so many pixels of each class, the rest 255."""
    labels = np.full(100, 255, np.uint8)
    values = [index for index, count in pixels.items() for _ in range(count)]
    labels[: len(values)] = values
    Image.fromarray(labels.reshape(10, 10)).save(path)
    return path


def test_presence_counts_pixels_and_leaves_out_255(tmp_path: Path) -> None:
    path = write_mask(tmp_path / 'a.png', {0: 5, 3: 4, 7: 1})
    assert read_presence({'x': path}, 5) == {'x': frozenset({0})}
    assert read_presence({'x': path}, 4) == {'x': frozenset({0, 3})}
    assert read_presence({'x': path}, 1) == {'x': frozenset({0, 3, 7})}


def test_presence_reads_indices_of_palette_masks(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 2]], np.uint8), mode='P')
    image.putpalette([9, 9, 9, 50, 50, 50, 200, 0, 0])
    image.save(tmp_path / 'a.png')
    assert read_presence({'x': tmp_path / 'a.png'}, 1) == {'x': frozenset({0, 2})}


def test_masks_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'a.png'
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(path)
    with pytest.raises(ValueError, match=r'a\.png: a mask of shape \(2, 3, 3\), expected one chan'):
        read_presence({'x': path}, 1)
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(ValueError, match=r'a\.png: not a readable mask'):
        read_presence({'x': path}, 1)


PRESENCE = {
    'a': frozenset({0}),
    'b': frozenset({0}),
    'c': frozenset({0, 1}),
    'd': frozenset({0, 1, 2}),
    'e': frozenset({2}),
}


def test_orders_that_show_all_classes_stay() -> None:
    orders = {'all': ['c', 'e', 'a', 'd', 'b']}
    assert move_cover_to_front(orders, {'all': 2}, PRESENCE) == orders


def test_rarest_class_is_served_by_the_image_with_most_missing_classes() -> None:
    # Classes 1 and 2 are in two images each; d shows both, so it comes before c, which is earlier.
    moved = move_cover_to_front({'all': ['a', 'b', 'c', 'e', 'd']}, {'all': 1}, PRESENCE)
    assert moved == {'all': ['d', 'a', 'b', 'c', 'e']}


def test_rarest_class_is_served_first() -> None:
    # Were class 0 first, d would use up the share that only c can use for class 1.
    presence = {'d': frozenset({0}), 'c': frozenset({1}), 'e': frozenset({0}), 'f': frozenset()}
    moved = move_cover_to_front({'g': ['d', 'c'], 'h': ['f', 'e']}, {'g': 1, 'h': 1}, presence)
    assert moved == {'g': ['c', 'd'], 'h': ['e', 'f']}


def test_groups_give_no_more_than_their_share() -> None:
    orders = {'g': ['a', 'd'], 'h': ['b', 'c'], 'i': ['e']}
    moved = move_cover_to_front(orders, {'g': 0, 'h': 1, 'i': 1}, PRESENCE)
    assert moved == {'g': ['a', 'd'], 'h': ['c', 'b'], 'i': ['e']}


def test_shares_that_cannot_show_all_classes_fail() -> None:
    with pytest.raises(ValueError, match=r'1 labels, .* cannot show every class: \[2\] are left'):
        move_cover_to_front({'g': ['a', 'b', 'd'], 'h': ['c']}, {'g': 0, 'h': 1}, PRESENCE)


@pytest.mark.parametrize('seed', range(20))
def test_drawn_splits_show_every_class_and_still_nest(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    masks = {}
    for number in range(24):
        # Classes 1 to 5, rarer by number; class 6 never reaches the 5 pixels asked for.
        pixels = {0: 20, 6: rng.randint(0, 4)}
        pixels |= {
            index: 5 for index in range(1, 6) if rng.random() < 0.4 / index or number == index
        }
        masks[f's{number % 2}_{number:02d}'] = write_mask(tmp_path / f'{number}.png', pixels)
    presence = read_presence(masks, 5)
    groups = group_ids(list(masks), '[^_]+')
    drawn = draw_splits(groups, [6, 8, 12], name='toy', seed=seed, presence=presence)
    for split in drawn:
        assert frozenset().union(*(presence[item] for item in split.labeled)) == set(range(6))
        assert split.group_counts['s0'] == split.group_counts['s1']
    sets = [set(split.labeled) for split in drawn]
    assert sets[0] < sets[1] < sets[2]


def test_cover_is_needed_for_some_seed() -> None:
    ids = [f'{number:02d}' for number in range(30)]
    presence = {item: frozenset({0, 1} if item == '17' else {0}) for item in ids}
    groups = group_ids(ids)
    plain = [draw_splits(groups, [3], name='toy', seed=seed)[0].labeled for seed in range(10)]
    assert not all('17' in labeled for labeled in plain)
    for seed in range(10):
        (split,) = draw_splits(groups, [3], name='toy', seed=seed, presence=presence)
        assert '17' in split.labeled
        # Only what is needed moves: two of the three stay the drawn ones.
        assert len(set(split.labeled) & set(plain[seed])) >= 2
