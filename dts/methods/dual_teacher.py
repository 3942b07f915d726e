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

from dts.methods.base import TeacherStudent, check_shares, stack_labels, valid_pixels
from dts.mixing.plan import MixOperation, paste
from dts.models.sub_network import SubNetwork, SubNetworkKind
from dts.registry import MODELS
from dts.segmentor import all_logits, decode_logits
from dts.targets.pseudo_label import make_pseudo_labels
from dts.targets.weighting import get_weighting, pixel_mask
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class DualTeacher(TeacherStudent):
    """Learn from labels, from mixed images and by implicit consistency.

        L = L_x + 1/|V| sum_V q CE(S(M(u_s)), M(l)) + lambda 1/|V| sum_V 1[c >= tau] CE(S'(u_s), l)

    Teachers and their turns belong to ``dts.SwitchingTeachersHook``. One teacher forward serves
    both unlabelled terms.

    Deviation from the release: labels and confidence are mixed by the mask of the image; padding of
    u itself is left out; views are drawn per image, in the space of images; colour and blur act
    before the mixing (there: CutMix images get a second colour and blur draw and a flip after it);
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
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold)
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
        weak, strong = inputs['unlabeled_weak'], inputs['unlabeled_strong']
        samples = data_samples['unlabeled_weak']
        turn = self.teachers.active_index % len(self.mix)
        mix, weighting = self.mix[turn], self.weighting[turn]

        probs_teacher = self.teachers.probabilities(weak)  # (U, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_pixels(weak, samples))

        images_mixed, target_mixed = strong, target
        if mix is not None:
            plan = mix(target.labels, probs_teacher.shape[1])
            images_mixed, target_mixed = paste(plan, strong), target.mixed(plan)
        weights = weighting(target_mixed, self.threshold)  # (U, H, W)

        num_labeled = len(inputs['labeled'])
        heads = all_logits(self.student, torch.cat([inputs['labeled'], images_mixed]))
        labeled_heads = [h._replace(logits=h.logits[:num_labeled]) for h in heads]
        logits_mixed = heads[0].logits[num_labeled:]  # (U, K, H, W)

        losses = self.score_heads(labeled_heads, stack_labels(data_samples['labeled']), 'sup')
        losses['mix.loss_ce'] = self.criterion(logits_mixed, target_mixed.labels, weights)
        if self.consistency_weight > 0:
            with self.sub_network.drawn(self.student):
                logits_sub = decode_logits(self.student, strong)
            losses['consistency.loss_ce'] = self.consistency_weight * self.criterion(
                logits_sub, target.labels, pixel_mask(target, self.threshold)
            )

        return losses | self.label_statistics(
            target, self.threshold, logits_mixed, target_mixed.labels, samples
        )
