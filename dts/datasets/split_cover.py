"""Class cover: let the smallest labeled list show every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

IGNORE_INDEX = 255


def read_presence(masks: Mapping[str, Path], min_pixels: int) -> dict[str, frozenset[int]]:
    """Return the classes that every image shows.

    Args:
        masks: id -> label file, one channel of class indices; 255 is ignored.
        min_pixels: pixels from which on a class counts as shown, >= 1. A class that reaches it
            in no image is not asked for.

    Returns:
        Id -> class indices with at least ``min_pixels`` pixels.

    Raises:
        ValueError: if a mask cannot be read or has more than one channel.
    """
    presence: dict[str, frozenset[int]] = {}
    for item, path in masks.items():
        try:
            with Image.open(path) as image:
                labels = np.asarray(image)
        except (OSError, SyntaxError) as error:
            raise ValueError(f'{path}: not a readable mask ({error})') from error
        if labels.ndim != 2:
            raise ValueError(
                f'{path}: a mask of shape {labels.shape}, expected one channel of class indices; '
                'convert color masks first'
            )
        classes, counts = np.unique(labels, return_counts=True)
        presence[item] = frozenset(
            int(index)
            for index, count in zip(classes, counts, strict=True)
            if index != IGNORE_INDEX and count >= min_pixels
        )
    return presence


def move_cover_to_front(
    orders: Mapping[str, Sequence[str]],
    shares: Mapping[str, int],
    presence: Mapping[str, frozenset[int]],
) -> dict[str, list[str]]:
    """Reorder every group so that the first ``shares`` ids together show every class.

    Orders that do so already stay as they are. Otherwise greedy: as long as a class is missing,
    take the class shown by the fewest images, and of these images the one that shows most missing
    classes, the earliest in its order among equals. No group gives more images than its share;
    all other ids keep their order.

    Args:
        orders: group -> ids in drawn order.
        shares: group -> number of labels in the smallest split.
        presence: id -> classes it shows, for all ids.

    Returns:
        Group -> the same ids, picked ones first.

    Raises:
        ValueError: if the shares are used up before every class is shown.
    """
    missing = frozenset[int]().union(*presence.values())
    front = [item for group, order in orders.items() for item in order[: shares[group]]]
    if missing == frozenset[int]().union(*(presence[item] for item in front)):
        return {group: list(order) for group, order in orders.items()}
    frequency = {index: sum(index in shown for shown in presence.values()) for index in missing}
    picked: dict[str, list[str]] = {group: [] for group in orders}
    while missing:
        rarest = min(missing, key=lambda index: (frequency[index], index))
        candidates = [
            (-len(presence[item] & missing), place, group, item)
            for group, order in orders.items()
            if len(picked[group]) < shares[group]
            for place, item in enumerate(order)
            if rarest in presence[item]
        ]
        if not candidates:
            raise ValueError(
                f'{sum(shares.values())} labels, shared as {dict(shares)}, cannot show every '
                f'class: {sorted(missing)} are left; ask for a larger smallest size or for more '
                'pixels per class'
            )
        _, _, group, item = min(candidates)
        picked[group].append(item)
        missing -= presence[item]
    return {
        group: picked[group] + [item for item in order if item not in picked[group]]
        for group, order in orders.items()
    }
