"""The parts that hosts of semi-supervised training share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.methods.base import stack_labels
from dts.methods.host import Half, Host, Mixture, Supervision, Views
from dts.mixing.classmix import draw_classes
from dts.segmentor import all_logits, split_heads
from dts.targets.pseudo_label import PseudoLabels
from dts.typing import BranchInputs, BranchSamples, Losses


class SemiSupervisedHost(Host):
    """Labelled images, and two views of unlabelled ones; one student forward for all images.

    One forward, as in LiheYoung/UniMatch-V2: BatchNorm sees labelled and unlabelled images at once.
    """

    labeled_mix: float  # share in [0, 1] of the unlabelled images that get classes of labelled ones

    def read(self, inputs: BranchInputs, data_samples: BranchSamples) -> Views:
        """Return the images of a batch; see ``Host``.

        Args:
            inputs: ``labeled``, ``unlabeled_weak`` and ``unlabeled_strong``.
            data_samples: the samples of the branches.
        """
        return Views(
            source=inputs['labeled'],
            labels=stack_labels(data_samples['labeled']),
            target=inputs['unlabeled_weak'],
            strong=inputs['unlabeled_strong'],
            samples=data_samples['unlabeled_weak'],
        )

    def paste_labeled(self, student: EncoderDecoder, views: Views, mixture: Mixture) -> Mixture:
        """Paste half of the classes of labelled images onto ``labeled_mix`` of the mixed images.

        Args:
            student: the student that will learn them, for its classes.
            views: the batch.
            mixture: mixed unlabelled images.

        Returns:
            The images, and where which labels were pasted; ``mixture`` itself at share 0.

        Source: DACS (Tranheden et al., WACV 2021), which pastes onto every image.
        """
        if self.labeled_mix == 0:
            return mixture
        images = mixture.images
        partner = torch.arange(len(images), device=images.device) % len(views.source)
        is_mixed = torch.rand(len(images), 1, 1, device=images.device) < self.labeled_mix
        labels = views.labels[partner]
        pasted = is_mixed & draw_classes(labels, student.num_classes, round_up=True)
        images = torch.where(pasted[:, None], views.source[partner], images)
        return Mixture(images, mixture.swap, pasted, labels)

    def learn(self, student: EncoderDecoder, halves: Sequence[Half]) -> Losses:
        """Return the losses of all halves; see ``Host``.

        Labelled images train all heads, others the decode head.

        Args:
            student: the student that learns.
            halves: what it learns.
        """
        heads = all_logits(student, torch.cat([half.images for half in halves]))
        parts = split_heads(heads, [len(half.images) for half in halves])
        losses: Losses = {}
        for half, own in zip(halves, parts, strict=True):
            if half.is_source:
                losses |= self.score_heads(own, half.supervisions[0].labels, half.name)
            else:
                term = self.unlabeled_term(own[0].logits, half.supervisions)
                losses[f'{half.name}.loss_ce'] = term
        return losses

    def expose_step(
        self, views: Views, target: PseudoLabels, mixture: Mixture, mixed: Supervision
    ) -> None:
        """Show observers a step: labelled images, and unlabelled ones with what they teach.

        Args:
            views: the batch.
            target: pseudo-labels of its unlabelled images.
            mixture: the images that the student learned.
            mixed: what it should have answered.
        """
        self.expose(labeled=views.source, source_label=views.labels)
        self.expose(
            weak=views.target,
            mixed=mixture.images,
            pseudo_label=target.labels,
            mixed_label=mixed.labels,
            mixed_weight=mixed.weights,
        )

    def unlabeled_term(self, logits: Tensor, supervisions: Sequence[Supervision]) -> Tensor:
        """Return the sum over supervisions.

        Args:
            logits: (U, K, H, W).
            supervisions: what they should be.
        """
        terms = [self.criterion(logits, labels, weights) for labels, weights in supervisions]
        return sum(terms[1:], start=terms[0])
