"""Mean Teacher with hard labels: FixMatch with an EMA teacher, and mixing on request.

    x, y     labelled images and labels            inputs['labeled']
    u_w, u_s weak and strong view of unlabelled    inputs['unlabeled_weak'], ['unlabeled_strong']
    p        teacher's probabilities on u_w        probs_teacher
    tau      threshold                             threshold
    q        weight of a pixel by confidence       weighting
    lambda   weight of the unlabelled term         unlabeled_weight

Source: Tarvainen and Valpola, NeurIPS 2017 (teacher); Sohn et al., NeurIPS 2020 (labels); recipe of
LiheYoung/UniMatch-V2 fixmatch.py (one student forward on labelled and mixed images).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.methods.base import valid_pixels
from dts.methods.host import Mixture, Supervision, Views, show_source
from dts.methods.semi_supervised_host import SemiSupervisedHost
from dts.mixing.classmix import ClassMix
from dts.mixing.plan import MixOperation, MixPlan, paste
from dts.ranges import check_not_negative, check_shares
from dts.registry import MODELS
from dts.schedules import linear_ramp
from dts.segmentor import all_logits, split_heads
from dts.targets.exchange import Opinion
from dts.targets.pseudo_label import PseudoLabels, make_pseudo_labels
from dts.targets.weighting import get_weighting
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class MeanTeacher(SemiSupervisedHost):
    """Learn from labels and from what the teacher says with confidence.

        L = L_x + lambda r(t) 1/|V| sum_V q CE(S(mix(u_s)), mix(argmax p))

    with q = 1[mix(max p) >= tau] unless ``weighting`` says otherwise. FixMatch with an EMA teacher
    is ``mix=dict(type='dts.CutMix')``; ClassMix (Olsson et al., WACV 2021) is
    ``mix=dict(type='dts.ClassMix'), weighting='batch_fraction', threshold=0.968``.

    Deviation: L_x and the unlabelled term are added, not averaged (a factor that AdamW ignores);
    class weights of the criterion act on both terms.

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of both terms.
        threshold: tau, probability in [0, 1].
        weighting: ``pixel_mask``, ``image_fraction`` or ``batch_fraction``, see
            ``dts.targets.weighting``.
        unlabeled_weight: lambda >= 0.
        ramp_steps: optimizer steps over which the unlabelled weight rises from 0; 0 for none.
        mix: config of the operation that mixes the unlabelled images of a batch; None for none.
        labeled_mix: share in [0, 1] of the unlabelled images onto which half of the classes of a
            labelled image are pasted, with their labels at full weight (DACS, Tranheden et al.,
            WACV 2021): rare classes come in true labels, which pseudo-labels seldom give.

    Raises:
        ValueError: if a number is out of range or ``weighting`` is unknown.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        threshold: float = 0.95,
        weighting: str = 'pixel_mask',
        unlabeled_weight: float = 1.0,
        ramp_steps: int = 0,
        mix: ConfigType | None = None,
        labeled_mix: float = 0.0,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold, labeled_mix=labeled_mix)
        check_not_negative(unlabeled_weight=unlabeled_weight, ramp_steps=ramp_steps)
        self.threshold = threshold
        self.weighting = get_weighting(weighting)
        self.unlabeled_weight = unlabeled_weight
        self.ramp_steps = ramp_steps
        self.mix: MixOperation | None = MODELS.build(mix) if mix else None
        self.labeled_mix = labeled_mix

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W), ``unlabeled_weak`` and ``unlabeled_strong``
                (U, 3, H, W), all of one size.
            data_samples: the samples of the branches; labels of unlabelled ones are used for a
                statistic only.

        Returns:
            ``sup.<head>.loss_ce``, ``unsup.loss_ce`` and statistics.
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
        losses = self.score_heads(labeled_heads, views.labels, 'sup')
        losses['unsup.loss_ce'] = self.unlabeled_term(logits_mixed, [mixed])
        return losses | self.label_statistics(
            target, self.threshold, logits_mixed, mixed.labels, views.samples
        )

    def mix_source(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Mix strong views among themselves, then paste classes of labelled images onto a share.

        Args:
            student: the student that will learn them, for its classes.
            views: the batch.
            labels: (U, H, W) int64, pseudo-labels.
        """
        mixture = Mixture(views.strong)
        if self.mix is not None:
            swap = self.mix(labels, student.num_classes)
            mixture = Mixture(paste(swap, views.strong), swap)
        return self.paste_labeled(student, views, mixture)

    def mix_target(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Mix strong views among themselves, by ``mix`` or ClassMix.

        Args:
            student: the student that will learn them, for its classes.
            views: the batch.
            labels: (U, H, W) int64, pseudo-labels.
        """
        swap = (self.mix or ClassMix())(labels, student.num_classes)
        return Mixture(paste(swap, views.strong), swap)

    def supervise(self, views: Views, target: PseudoLabels, swap: MixPlan | None) -> Supervision:
        """Return mixed pseudo-labels, weighted by their mixed confidence.

        Args:
            views: the batch.
            target: pseudo-labels of its target images.
            swap: how target images are mixed among themselves, None for not at all.
        """
        mixed = target if swap is None else target.mixed(swap)
        return Supervision(mixed.labels, self.weighting(mixed, self.threshold))

    def learn_more(
        self, student: EncoderDecoder, views: Views, opinions: Sequence[Opinion]
    ) -> Losses:
        """Return nothing: Mean Teacher has no further term.

        Args:
            student: not used.
            views: not used.
            opinions: not used.
        """
        return {}

    def unlabeled_term(self, logits: Tensor, supervisions: Sequence[Supervision]) -> Tensor:
        """Return lambda r(t) times the sum over supervisions.

        Args:
            logits: (U, K, H, W).
            supervisions: what they should be.
        """
        weight = self.unlabeled_weight * linear_ramp(self.teachers.updates, self.ramp_steps)
        return weight * super().unlabeled_term(logits, supervisions)
