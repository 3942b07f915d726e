"""Dual Teacher: temporary teachers take turns, a sub-network of the student learns from them too.

    x, y     labelled images and labels            inputs['labeled']
    u, u_s   weak and strong view of unlabelled    inputs['unlabeled_weak'], ['unlabeled_strong']
    p, c, l  probabilities of the teacher on duty on u, their maximum and its class
    tau      threshold
    M        mixing operation of the teacher on duty
    q        weight of a pixel by mixed confidence
    S, S'    student, and a sub-network of it drawn for this step

Source: Na, Ha, Chang, Han and Hwang, "Switching Temporary Teachers for Semi-Supervised Semantic
Segmentation", NeurIPS 2023; naver-ai/dual-teacher. This is our corrected mode; what was released is
``dts.FaithfulDualTeacher``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.methods.base import valid_pixels
from dts.methods.host import Mixture, Supervision, Views, show_source
from dts.methods.semi_supervised_host import SemiSupervisedHost
from dts.mixing.plan import MixOperation, MixPlan, paste
from dts.models.sub_network import SubNetwork, SubNetworkKind
from dts.ranges import check_not_negative, check_shares
from dts.registry import MODELS
from dts.segmentor import HeadLogits, all_logits, decode_logits, split_heads
from dts.targets.exchange import Opinion
from dts.targets.pseudo_label import PseudoLabels, make_pseudo_labels
from dts.targets.weighting import get_weighting, pixel_mask
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class DualTeacher(SemiSupervisedHost):
    """Learn from labels, from mixed images and by implicit consistency.

        L = L_x + 1/|V| sum_V q CE(S(M(u_s)), M(l)) + lambda 1/|V| sum_V 1[c >= tau] CE(S'(u_s), l)

    Teachers and their turns belong to ``dts.SwitchingTeachersHook``. One teacher forward serves
    both unlabelled terms.

    Deviation from the release: labels and confidence are mixed by the mask of the image; padding of
    u itself is left out; views are drawn per image, in the space of images; all turns mix strong
    views (there CutMix turns mix weak ones, which get colour, blur and a flip of their own after
    it);
    the sub-network is drawn for its own term only (there: drop-path of training acts everywhere).

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of all terms.
        threshold: tau, probability in [0, 1].
        mix: config of the mixing operation of every teacher, None for none; with more teachers than
            entries they are used in turn.
        weighting: how q is made for every teacher, see ``dts.targets.weighting``.
        consistency_weight: lambda >= 0; 0 leaves the term and its forward out.
        sub_network: which sub-network S' is, see ``dts.models.sub_network.SubNetwork``.
        sub_network_rate: its rate, in [0, 1).
        labeled_mix: share in [0, 1] of the mixed images onto which half of the classes of a
            labelled image are pasted, with their labels at full weight, as in ``dts.MeanTeacher``;
            0 in the paper.

    Raises:
        ValueError: if an argument is out of range or unknown, or ``mix`` and ``weighting`` differ
            in length.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        threshold: float = 0.95,
        mix: Sequence[ConfigType | None] = ({'type': 'dts.BetaCutMix'}, {'type': 'dts.ClassMix'}),
        weighting: Sequence[str] = ('image_fraction', 'batch_fraction'),
        consistency_weight: float = 0.2,
        sub_network: SubNetworkKind = 'none',
        sub_network_rate: float = 0.1,
        labeled_mix: float = 0.0,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold, labeled_mix=labeled_mix)
        check_not_negative(consistency_weight=consistency_weight)
        for name, entries in (('mix', mix), ('weighting', weighting)):
            if not isinstance(entries, list | tuple):
                raise ValueError(
                    f'{name} must be a list with one entry per teacher, got {entries!r}: write '
                    f'{name}=[{entries!r}, {entries!r}] for two teachers that share it'
                )
        if len(mix) != len(weighting) or not mix:
            raise ValueError(
                f'mix and weighting need one entry per teacher, got {len(mix)} and {len(weighting)}'
            )
        self.threshold = threshold
        self.mix: list[MixOperation | None] = [
            MODELS.build(config) if config else None for config in mix
        ]
        self.weighting = [get_weighting(name) for name in weighting]
        self.consistency_weight = consistency_weight
        self.sub_network = SubNetwork(sub_network, sub_network_rate)
        self.labeled_mix = labeled_mix

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W), ``unlabeled_weak`` and ``unlabeled_strong``
                (U, 3, H, W), all of one size.
            data_samples: the samples of the branches; labels of unlabelled ones are used for a
                statistic only.

        Returns:
            ``sup.<head>.loss_ce``, ``mix.loss_ce``, ``consistency.loss_ce`` and statistics.
        """
        views = self.read(inputs, data_samples)
        probs_teacher = self.teachers.probabilities(views.target)  # (U, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_pixels(views.target, views.samples))

        mixture = self.mix_source(self.student, views, target.labels)
        mixed = show_source(self.supervise(views, target, mixture.swap), mixture)

        heads = all_logits(self.student, torch.cat([views.source, mixture.images]))
        labeled_heads, mixed_heads = split_heads(heads, [len(views.source), len(mixture.images)])
        logits_mixed = mixed_heads[0].logits  # (U, K, H, W)

        self.expose_step(views, target, mixture, mixed)
        losses = self.learn_labeled(views, labeled_heads)
        losses['mix.loss_ce'] = self.unlabeled_term(logits_mixed, [mixed])
        losses |= self.learn_more(self.student, views, [Opinion(target)])
        return losses | self.label_statistics(
            target, self.threshold, logits_mixed, mixed.labels, views.samples
        )

    def learn_labeled(self, views: Views, heads: list[HeadLogits]) -> Losses:
        """Return the losses of the labelled images.

        Args:
            views: the batch.
            heads: scores of the student on its labelled images, (B, K, H, W) each.
        """
        return self.score_heads(heads, views.labels, 'sup')

    @property
    def turn(self) -> int:
        """Index of the teacher on duty among the entries of ``mix``."""
        return self.teachers.active_index % len(self.mix)

    def mix_source(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Mix strong views, then paste classes of labelled images onto a share of them.

        Args:
            student: the student that will learn them, for its classes.
            views: the batch.
            labels: (U, H, W) int64, pseudo-labels.
        """
        return self.paste_labeled(student, views, self.mix_target(student, views, labels))

    def mix_target(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Mix strong views by the operation of the teacher on duty.

        Args:
            student: the student that will learn them, for its classes.
            views: the batch.
            labels: (U, H, W) int64, pseudo-labels.
        """
        mix = self.mix[self.turn]
        if mix is None:
            return Mixture(views.strong)
        swap = mix(labels, student.num_classes)
        return Mixture(paste(swap, views.strong), swap)

    def supervise(self, views: Views, target: PseudoLabels, swap: MixPlan | None) -> Supervision:
        """Return mixed pseudo-labels, weighted as the teacher on duty asks.

        Args:
            views: the batch.
            target: pseudo-labels of its target images.
            swap: how target images are mixed among themselves, None for not at all.
        """
        mixed = target if swap is None else target.mixed(swap)
        return Supervision(mixed.labels, self.weighting[self.turn](mixed, self.threshold))

    def learn_more(
        self, student: EncoderDecoder, views: Views, opinions: Sequence[Opinion]
    ) -> Losses:
        """Return the implicit consistency: a sub-network learns the images before mixing.

        Args:
            student: the student that learns.
            views: the batch.
            opinions: what teachers say of the target images.
        """
        if self.consistency_weight == 0:
            return {}
        with self.sub_network.drawn(student):
            logits_sub = decode_logits(student, views.strong)
        supervisions = [
            Supervision(target.labels, factor * pixel_mask(target, self.threshold))
            for target, factor in opinions
        ]
        term = self.consistency_weight * self.unlabeled_term(logits_sub, supervisions)
        return {'consistency.loss_ce': term}
