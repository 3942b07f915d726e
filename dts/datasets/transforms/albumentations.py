"""Photometric view transforms of albumentations, seeded from NumPy's global state."""

from __future__ import annotations

import random
from typing import Any

import albumentations as A
import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from dts.registry import TRANSFORMS

MAX_SEED = 2**32


@TRANSFORMS.register_module()
class Albumentations(BaseTransform):
    """Apply photometric albumentations transforms to ``img``, one after the other.

    The image is handed over as RGB, so color transforms see what they were made for. Before every
    call all transforms get fresh generators seeded by one draw from ``np.random``: the result is a
    function of the image and the state of ``np.random`` alone, and draws of different transforms
    are independent (``Compose.set_random_seed`` would give each the same stream, so that a
    transform with p = 0.2 would only ever meet those with p > 0.2 applied as well).

    Only transforms that leave every pixel at its place are taken, because weak and strong views
    and their labels must stay aligned; geometry belongs before ``dts.Branches``, as transforms
    of MMSegmentation.

    Args:
        transforms: dictionaries with ``type`` (a class name of albumentations) and its arguments;
            ``OneOf``, ``SomeOf`` and ``Sequential`` take a nested ``transforms`` list.

    Raises:
        ValueError: at construction for an unknown name or argument, a value out of range, or a
            transform that is not photometric; at the call for a result that is not uint8 of the
            same shape.

    Example:
        >>> blur = Albumentations([dict(type='GaussianBlur', sigma_limit=(0.1, 2.0), p=0.5)])
    """

    def __init__(self, transforms: list[dict[str, Any]]) -> None:
        self.transforms = transforms
        self.compose = A.Compose([_build(config) for config in transforms])

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` (H, W, 3) uint8 BGR by its transformed copy.

        Args:
            results: the sample, with ``img``.
        """
        seed = int(np.random.randint(MAX_SEED, dtype=np.int64))  # noqa: NPY002
        self.compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        image = cv2.cvtColor(results['img'], cv2.COLOR_BGR2RGB)
        image_out = self.compose(image=image)['image']
        if image_out.dtype != np.uint8 or image_out.shape != image.shape:
            raise ValueError(
                f'dts.Albumentations made {image_out.dtype} {image_out.shape} out of uint8 '
                f'{image.shape} with {self.transforms}. Expected the same type and shape: the '
                'data preprocessor of the model normalizes.'
            )
        results['img'] = cv2.cvtColor(image_out, cv2.COLOR_RGB2BGR)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms})'


def _build(config: dict[str, Any]) -> A.BasicTransform | A.BaseCompose:
    """Build one transform from its dictionary, with errors instead of warnings."""
    arguments = dict(config)
    name = arguments.pop('type', None)
    if not isinstance(name, str):
        raise ValueError(f'dts.Albumentations needs `type` (a class name), got {config}.')
    cls = getattr(A, name, None)
    if isinstance(cls, type) and issubclass(cls, A.BaseCompose):
        nested = [_build(entry) for entry in arguments.pop('transforms', [])]
        try:
            return cls(nested, **arguments)
        except TypeError as error:
            raise ValueError(f'albumentations.{name} got wrong arguments: {error}') from error
    if not (isinstance(cls, type) and issubclass(cls, A.BasicTransform)):
        raise ValueError(
            f'albumentations {A.__version__} has no transform {name!r}. Expected a class name such '
            'as ColorJitter, ToGray, GaussianBlur or RandomBrightnessContrast.'
        )
    if not issubclass(cls, A.ImageOnlyTransform):
        raise ValueError(
            f'albumentations.{name} is not photometric: it may move or cut pixels, which would '
            'break the alignment of views and labels. Use a transform of MMSegmentation (Resize, '
            'RandomFlip, RandomCrop, ...) before dts.Branches.'
        )
    try:
        return cls(**arguments, strict=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f'albumentations.{name} got wrong arguments: {error}') from error
