"""Rare-class sampling: draw a class, rare ones more often, then an image that shows it.

Source: Hoyer et al. (DAFormer), CVPR 2022, Sec. 3.3; reference lhoyer/DAFormer
mmseg/datasets/uda_dataset.py @e6f6e04.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset
from numpy.typing import NDArray

from dts.datasets.class_counts import class_counts


def class_probabilities(pixels: NDArray[np.int64], temperature: float) -> NDArray[np.float64]:
    """Return how often each class is drawn.

        f_c = pixels_c / sum of pixels        P(c) = softmax((1 - f_c) / temperature)

    over the classes that occur; classes without a pixel are never drawn.

    Args:
        pixels: (K,) pixels of each class in all images, at least one > 0.
        temperature: > 0; the smaller, the more often rare classes are drawn.

    Returns:
        (K,) probabilities, sum 1.
    """
    shares = pixels / pixels.sum()
    scores = np.where(pixels > 0, (1.0 - shares) / temperature, -np.inf)
    weights = np.exp(scores - scores.max())
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities


class RareClassDraw:
    """Draw of a class and an image, a function of the seed alone.

    Args:
        counts: (N, K) pixels of each class in each image, at their own size.
        classes: the K names, for messages.
        temperature: of ``class_probabilities``; > 0.
        min_pixels: an image stands for a class if it has more than so many pixels of it.

    Raises:
        ValueError: if an option is out of range, or a class that occurs has no such image.
    """

    def __init__(
        self,
        counts: NDArray[np.int64],
        classes: Sequence[str],
        *,
        temperature: float = 0.01,
        min_pixels: int = 3000,
    ) -> None:
        if temperature <= 0 or min_pixels < 0:
            raise ValueError(
                '`rare_class` needs temperature > 0 and min_pixels >= 0, got '
                f'temperature={temperature} and min_pixels={min_pixels}.'
            )
        pixels = counts.sum(axis=0)
        if not pixels.any():
            raise ValueError('`rare_class` needs labels, the data set has no labelled pixel.')
        self.images = [np.flatnonzero(column > min_pixels) for column in counts.T]
        for name, column, images in zip(classes, counts.T, self.images, strict=True):
            if column.any() and not len(images):
                raise ValueError(
                    f'class {name!r} would be drawn, but no image has more than {min_pixels} '
                    f'pixels of it, the best has {column.max()}: lower `min_pixels` of '
                    '`rare_class` in the sampler (images are counted at their own size).'
                )
        self.probabilities = class_probabilities(pixels, temperature)
        self._cumulated = np.cumsum(self.probabilities)
        self._description = {
            'temperature': temperature,
            'min_pixels': min_pixels,
            'counts': hashlib.blake2b(counts.tobytes(), digest_size=8).hexdigest(),
        }

    @classmethod
    def of_dataset(
        cls, dataset: BaseSegDataset, file: str | None = None, **options: Any
    ) -> RareClassDraw:
        """Make the draw of a data set; counts its label files unless that was done before.

        Args:
            dataset: the labelled data set.
            file: where the counts are kept, see ``class_counts``.
            **options: ``temperature`` and ``min_pixels``.

        Raises:
            FileNotFoundError, ValueError: as ``class_counts`` and the constructor.
        """
        return cls(class_counts(dataset, file), dataset.metainfo['classes'], **options)

    def draw(self, seed: int) -> tuple[int, int]:
        """Draw a class, then one of its images, each as likely as the other.

        Args:
            seed: the same seed draws the same, with any version of Python and NumPy.

        Returns:
            Class and image.
        """
        generator = random.Random(seed)
        # The last partial sum may miss 1 by a rounding error.
        point = generator.random() * self._cumulated[-1]
        drawn_class = int(np.searchsorted(self._cumulated, point, side='right'))
        images = self.images[drawn_class]
        return drawn_class, int(images[int(generator.random() * len(images))])

    def describe(self) -> dict[str, Any]:
        """Return what must be equal for two runs to draw the same."""
        return dict(self._description)
