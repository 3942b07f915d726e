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

import torch

from dts.methods.base import TeacherStudent, check_shares, stack_labels, valid_pixels
from dts.mixing.classmix import draw_classes
from dts.mixing.plan import MixOperation, paste
from dts.registry import MODELS
from dts.schedules import linear_ramp
from dts.segmentor import all_logits
from dts.targets.pseudo_label import make_pseudo_labels
from dts.targets.weighting import get_weighting
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class MeanTeacher(TeacherStudent):
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
        ValueError: if ``threshold`` or ``labeled_mix`` is out of range or ``weighting`` is unknown.
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
        weak, strong = inputs['unlabeled_weak'], inputs['unlabeled_strong']
        samples = data_samples['unlabeled_weak']
        probs_teacher = self.teachers.probabilities(weak)  # (U, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_pixels(weak, samples))

        images_mixed, target_mixed = strong, target
        if self.mix is not None:
            plan = self.mix(target.labels, probs_teacher.shape[1])
            images_mixed, target_mixed = paste(plan, strong), target.mixed(plan)
        weights = self.weighting(target_mixed, self.threshold)  # (U, H, W)
        labels_mixed = target_mixed.labels

        images, labels = inputs['labeled'], stack_labels(data_samples['labeled'])
        if self.labeled_mix > 0:
            partner = torch.arange(len(strong), device=strong.device) % len(images)
            is_mixed = torch.rand(len(strong), 1, 1, device=strong.device) < self.labeled_mix
            drawn = draw_classes(labels[partner], probs_teacher.shape[1], round_up=True)
            pasted = drawn & is_mixed  # (U, H, W), True = labelled image
            images_mixed = torch.where(pasted[:, None], images[partner], images_mixed)
            labels_mixed = torch.where(pasted, labels[partner], labels_mixed)
            weights = torch.where(pasted, 1.0, weights)

        num_labeled = len(images)
        heads = all_logits(self.student, torch.cat([images, images_mixed]))
        labeled_heads = [h._replace(logits=h.logits[:num_labeled]) for h in heads]
        logits_student = heads[0].logits[num_labeled:]  # (U, K, H, W)

        losses = self.score_heads(labeled_heads, labels, 'sup')
        weight = self.unlabeled_weight * linear_ramp(self.teachers.updates, self.ramp_steps)
        losses['unsup.loss_ce'] = weight * self.criterion(logits_student, labels_mixed, weights)

        return losses | self.label_statistics(
            target, self.threshold, logits_student, labels_mixed, samples
        )
