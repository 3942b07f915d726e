"""What a self-training method offers to ``dts.DualTeacherStudent``: its step in parts.

A host names its parts in words that serve both settings: ``source`` is labelled (source domain, or
the labelled images of semi-supervised training), ``target`` is not.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from dts.methods.base import TeacherStudent
from dts.mixing.plan import MixPlan
from dts.segmentor import HeadLogits
from dts.targets.exchange import Opinion
from dts.targets.pseudo_label import PseudoLabels
from dts.typing import BranchInputs, BranchSamples, Losses


class Views(NamedTuple):
    """The images of a batch.

    Attributes:
        source: (B, 3, H, W), labelled images.
        labels: (B, H, W) int64, their labels.
        target: (U, 3, H, W), images as teachers see them.
        strong: (U, 3, H, W), the same images as students see them.
        samples: the samples of the target images.
    """

    source: Tensor
    labels: Tensor
    target: Tensor
    strong: Tensor
    samples: list[SegDataSample]


class Mixture(NamedTuple):
    """Images of which parts come from elsewhere.

    Attributes:
        images: (U, 3, H, W).
        swap: which pixels come from another target image, None for none.
        pasted: (U, H, W) bool, True where a source image is shown; None for nowhere.
        pasted_labels: (U, H, W) int64, labels of that source image.
    """

    images: Tensor
    swap: MixPlan | None = None
    pasted: Tensor | None = None
    pasted_labels: Tensor | None = None

    @property
    def target_share(self) -> Tensor | float:
        """Share of the pixels that come from target images, in [0, 1]."""
        return 1.0 if self.pasted is None else 1.0 - self.pasted.float().mean()


class Supervision(NamedTuple):
    """What a student shall answer.

    Attributes:
        labels: (N, H, W) int64.
        weights: (N, H, W) float32 >= 0.
    """

    labels: Tensor
    weights: Tensor


class Half(NamedTuple):
    """One image set of a training step.

    Attributes:
        name: first part of the keys of its losses.
        images: (N, 3, H, W).
        supervisions: they are summed over one student forward.
        is_source: whether the images are plain source images.
    """

    name: str
    images: Tensor
    supervisions: Sequence[Supervision]
    is_source: bool = False


class Host(TeacherStudent):
    """A method whose step is made of the parts below.

    None of them uses ``self.student``: the student is given.
    """

    threshold: float  # probability in [0, 1] from which on a label is accepted

    @abstractmethod
    def read(self, inputs: BranchInputs, data_samples: BranchSamples) -> Views:
        """Return the images of a batch.

        Args:
            inputs: images per branch.
            data_samples: samples per branch.
        """

    @abstractmethod
    def mix_source(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Mix target images as the host does, with parts of source images.

        Args:
            student: the student that will learn them, for its classes and its normalisation.
            views: the batch.
            labels: (U, H, W) int64, pseudo-labels of the target images.
        """

    @abstractmethod
    def mix_target(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Mix target images among themselves.

        Args:
            student: as in ``mix_source``.
            views: as in ``mix_source``.
            labels: as in ``mix_source``.
        """

    @abstractmethod
    def supervise(self, views: Views, target: PseudoLabels, swap: MixPlan | None) -> Supervision:
        """Return what pseudo-labels say of the (mixed) target images.

        Args:
            views: the batch.
            target: pseudo-labels of ``views.target``.
            swap: how target images are mixed among themselves, None for not at all.
        """

    @abstractmethod
    def learn(self, student: EncoderDecoder, halves: Sequence[Half]) -> Losses:
        """Return the losses of a student.

        Args:
            student: the student that learns.
            halves: what it learns.

        Returns:
            ``{half}.{head}.loss_ce`` and what the host adds on source images.
        """

    @abstractmethod
    def learn_more(
        self, student: EncoderDecoder, views: Views, opinions: Sequence[Opinion]
    ) -> Losses:
        """Return the losses that the host adds on target images, such as masked consistency.

        Args:
            student: the student that learns.
            views: the batch.
            opinions: what teachers say of the target images; terms are added.
        """

    def score_supervisions(
        self, heads: list[HeadLogits], supervisions: Sequence[Supervision], prefix: str
    ) -> Losses:
        """Score every head against every supervision and add these up.

        Args:
            heads: scores of the student, (N, K, H, W) each.
            supervisions: what it should have answered.
            prefix: first part of the keys.

        Returns:
            ``{prefix}.{head}.loss_ce``.
        """
        first, *others = supervisions
        losses = self.score_heads(heads, first.labels, prefix, first.weights)
        for other in others:
            for key, term in self.score_heads(heads, other.labels, prefix, other.weights).items():
                losses[key] = losses[key] + term
        return losses


def show_source(supervision: Supervision, mixture: Mixture, weight: float = 1.0) -> Supervision:
    """Return what a student shall answer on images with pasted parts of source images.

    Args:
        supervision: labels and weights of the target parts.
        mixture: the images.
        weight: weight of pasted pixels; 0 where another supervision has counted them.

    Returns:
        Labels and weights of all pixels.
    """
    if mixture.pasted is None or mixture.pasted_labels is None:
        return supervision
    return Supervision(
        torch.where(mixture.pasted, mixture.pasted_labels, supervision.labels),
        torch.where(mixture.pasted, weight, supervision.weights),
    )


def supervise_all(
    host: Host, views: Views, opinions: Sequence[Opinion], swap: MixPlan | None
) -> list[Supervision]:
    """Return what all opinions say of the (mixed) target images.

    Args:
        host: how confidence becomes weight.
        views: the batch.
        opinions: what teachers say.
        swap: how target images are mixed among themselves, None for not at all.
    """
    supervisions = [host.supervise(views, opinion.target, swap) for opinion in opinions]
    return [
        Supervision(labels, opinion.factor * weights)
        for (labels, weights), opinion in zip(supervisions, opinions, strict=True)
    ]
