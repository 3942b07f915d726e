"""What a student says of several sets of images, in one forward or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.segmentor import HeadLogits, decode, encode, split_heads


class Answer(NamedTuple):
    """What a student says of a set of images.

    Attributes:
        features: (B, C, h, w), the last of its encoder.
        heads: scores of its heads, (B, K, H, W) each or of a window of it.
    """

    features: Tensor
    heads: list[HeadLogits]


def ask(student: EncoderDecoder, image_sets: Sequence[Tensor], one_forward: bool) -> list[Answer]:
    """Return what a student says of every set of images.

    Args:
        student: the student that is asked.
        image_sets: (B_i, 3, H, W) each.
        one_forward: all sets in one batch, as BatchNorm sees it; else every set is its own.
    """
    if not one_forward:
        answers = []
        for images in image_sets:
            features = encode(student, images)
            answers.append(Answer(features[-1], decode(student, features, images)))
        return answers
    counts = [len(images) for images in image_sets]
    images = torch.cat(list(image_sets))
    features = encode(student, images)
    heads = split_heads(decode(student, features, images), counts)
    return [Answer(*answer) for answer in zip(features[-1].split(counts), heads, strict=True)]
