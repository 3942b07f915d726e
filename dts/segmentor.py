"""Class scores of a stock MMSegmentation segmentor, head by head, at the size of the input.

A segmentor that runs its backbone more than once per image answers itself, see ``OwnScores``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from torch import Tensor, nn


class Box(NamedTuple):
    """A window: ``top`` and ``left`` belong to it, ``bottom`` and ``right`` do not.

    Edges are numbers on the host, so that slicing by them waits for no device.
    """

    top: int
    bottom: int
    left: int
    right: int

    def of(self, maps: Tensor) -> Tensor:
        """Return a view of the part of maps that lies in the window.

        Args:
            maps: (..., H, W).
        """
        return maps[..., self.top : self.bottom, self.left : self.right]


class HeadLogits(NamedTuple):
    """Scores of one head of a segmentor.

    Attributes:
        name: ``decode``, ``decode_0`` (earlier stage of a cascade), ``aux`` or ``aux_0``, as MMSeg
            names the losses of its heads.
        weight: the loss weight that the head's config gives (0.4 is usual for auxiliary heads).
        logits: (B, K, H, W), unnormalised, at the size of the input, or of ``box``.
        box: the window of the input that is scored, None for all of it.
    """

    name: str
    weight: float
    logits: Tensor
    box: Box | None = None

    def crop(self, maps: Tensor) -> Tensor:
        """Return the part of labels or weights that these scores are for.

        Args:
            maps: (..., H, W), at the size of the input.
        """
        return maps if self.box is None else self.box.of(maps)


def split_heads(heads: Sequence[HeadLogits], counts: Sequence[int]) -> list[list[HeadLogits]]:
    """Return the scores of every head for consecutive parts of a batch.

    One split instead of slices: its backward writes the gradient once, slices fill it once each.

    Args:
        heads: scores of the heads, (B, K, H, W) each.
        counts: images of every part; their sum is B.

    Returns:
        One list of heads per part.
    """
    parts = [head.logits.split(list(counts)) for head in heads]
    return [
        [head._replace(logits=part[index]) for head, part in zip(heads, parts, strict=True)]
        for index in range(len(counts))
    ]


@runtime_checkable
class OwnScores(Protocol):
    """What a segmentor brings that the functions of this module then ask.

    ``decode(encode(x), x)`` may score other windows at every call; ``decode_logits`` is what the
    segmentor predicts.
    """

    def encode(self, images: Tensor, backbone: nn.Module | None = None) -> tuple[Tensor, ...]:
        """Answer the function ``encode`` of this module.

        Args:
            images: as there.
            backbone: as there.
        """

    def decode(self, features: Sequence[Tensor], images: Tensor) -> list[HeadLogits]:
        """Answer the function ``decode`` of this module.

        Args:
            features: as there.
            images: as there.
        """

    def decode_logits(self, images: Tensor) -> Tensor:
        """Answer the function ``decode_logits`` of this module.

        Args:
            images: as there.
        """


def decode_logits(segmentor: EncoderDecoder, images: Tensor) -> Tensor:
    """Return the scores of the head that predicts.

    Args:
        segmentor: an ``EncoderDecoder`` of MMSeg, cascades included.
        images: (B, 3, H, W), normalised as the segmentor's data preprocessor does.

    Returns:
        (B, K, H, W), unnormalised.

    Raises:
        TypeError: if the head does not answer with one score map per class.
    """
    if isinstance(segmentor, OwnScores):
        return segmentor.decode_logits(images)
    features = _through_neck(segmentor, encode(segmentor, images))
    *_, last = _decode_stages(segmentor, features)
    return _to_input_size(last.logits, images, _heads(segmentor.decode_head)[-1])


def all_logits(segmentor: EncoderDecoder, images: Tensor) -> list[HeadLogits]:
    """Return the scores of every head that is trained: stages of a cascade and auxiliary heads.

    Args:
        segmentor: an ``EncoderDecoder`` of MMSeg, cascades included.
        images: (B, 3, H, W), normalised as the segmentor's data preprocessor does.

    Returns:
        One entry per head; the first is the head that predicts.

    Raises:
        TypeError: if a head does not answer with one score map per class.
    """
    return decode(segmentor, encode(segmentor, images), images)


def encode(
    segmentor: EncoderDecoder, images: Tensor, backbone: nn.Module | None = None
) -> tuple[Tensor, ...]:
    """Return the feature maps of the backbone, before a neck.

    Args:
        segmentor: an ``EncoderDecoder`` of MMSeg.
        images: (B, 3, H, W), normalised as the segmentor's data preprocessor does.
        backbone: another backbone to show what the segmentor shows its own, such as the frozen
            reference of a feature distance; None for its own.

    Returns:
        (B, C_i, H_i, W_i) per level; of ``dts.HRDAEncoderDecoder`` those of its context.
    """
    if isinstance(segmentor, OwnScores):
        return segmentor.encode(images, backbone)
    return tuple((segmentor.backbone if backbone is None else backbone)(images))


def decode(
    segmentor: EncoderDecoder, features: Sequence[Tensor], images: Tensor
) -> list[HeadLogits]:
    """Return the scores of every head for given feature maps.

    ``decode(s, encode(s, x), x)`` is ``all_logits(s, x)``; in between a method may change features.

    Args:
        segmentor: an ``EncoderDecoder`` of MMSeg, cascades included.
        features: what ``encode`` returned, (B, C_i, H_i, W_i) per level.
        images: (..., H, W), for the size of the scores.

    Returns:
        One entry per head; the first is the head that predicts.

    Raises:
        TypeError: if a head does not answer with one score map per class.
    """
    if isinstance(segmentor, OwnScores):
        return segmentor.decode(features, images)
    features = _through_neck(segmentor, features)
    stages = list(_decode_stages(segmentor, features))[::-1]
    heads = _heads(segmentor.decode_head)[::-1]
    if segmentor.with_auxiliary_head:
        auxiliary_heads = _heads(segmentor.auxiliary_head)
        names = _names('aux', segmentor.auxiliary_head)
        for name, head in zip(names, auxiliary_heads, strict=True):
            stages.append(HeadLogits(name, loss_weight(head), _checked(head, head(features))))
        heads += auxiliary_heads
    return [
        HeadLogits(out.name, out.weight, _to_input_size(out.logits, images, head))
        for out, head in zip(stages, heads, strict=True)
    ]


def _through_neck(segmentor: EncoderDecoder, features: Sequence[Tensor]) -> Sequence[Tensor]:
    """Apply the neck, if there is one, as ``EncoderDecoder.extract_feat`` does."""
    necked: Sequence[Tensor] = segmentor.neck(features) if segmentor.with_neck else features
    return necked


def _decode_stages(segmentor: EncoderDecoder, features: Sequence[Tensor]) -> Iterator[HeadLogits]:
    """Yield the raw scores of the decode head, stage by stage for a cascade."""
    heads = _heads(segmentor.decode_head)
    scores: tuple[Tensor, ...] = ()
    for index, head in enumerate(heads):
        logits = _checked(head, head(features, *scores))
        scores = (logits,)
        is_last = index == len(heads) - 1
        yield HeadLogits('decode' if is_last else f'decode_{index}', loss_weight(head), logits)


def _heads(head: Any) -> list[Any]:
    """Return the head, or the heads of a list, as a list."""
    return list(head) if isinstance(head, nn.ModuleList) else [head]


def _names(prefix: str, head: nn.Module) -> list[str]:
    """Return MMSeg's loss prefixes: ``aux`` for one head, ``aux_0``, ``aux_1`` for a list."""
    if isinstance(head, nn.ModuleList):
        return [f'{prefix}_{index}' for index in range(len(head))]
    return [prefix]


def loss_weight(head: nn.Module) -> float:
    """Return the sum of the loss weights in the head's config, 1 when it names none.

    Args:
        head: a decode head of MMSeg.
    """
    losses = _heads(head.loss_decode)
    return float(sum(getattr(loss, 'loss_weight', 1.0) for loss in losses))


def _checked(head: nn.Module, scores: object) -> Tensor:
    """Return ``scores`` when they are one map per class."""
    if not isinstance(scores, Tensor) or scores.ndim != 4:
        raise TypeError(
            f'{type(head).__name__} does not answer with one (B, K, h, w) score map; teachers need '
            'a per-pixel head (FCN, PSP, ASPP, UPer, SegFormer, FPN, OCR, ... heads do)'
        )
    return scores


def _to_input_size(logits: Tensor, images: Tensor, head: nn.Module) -> Tensor:
    """Upsample as MMSeg's heads do before they score."""
    return resize(logits, size=images.shape[-2:], mode='bilinear', align_corners=head.align_corners)
