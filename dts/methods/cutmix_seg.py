"""CutMix-Seg: the student's probabilities on mixed images meet the teacher's, mixed the same way.

    x, y     labelled images and labels            inputs['labeled']
    u, u_s   weak and strong view of unlabelled    inputs['unlabeled_weak'], ['unlabeled_strong']
    p        teacher's probabilities on u          probs_teacher
    M        mixing operation

Source: French et al., BMVC 2020 (arXiv 1906.01916); Britefury/cutmix-semisup-seg.
"""

from __future__ import annotations

import torch

from dts.methods.base import TeacherStudent, stack_labels, valid_pixels
from dts.mixing.plan import MixOperation, paste
from dts.ranges import check_not_negative, check_shares
from dts.registry import MODELS
from dts.segmentor import all_logits, split_heads
from dts.targets.pseudo_label import make_pseudo_labels
from dts.targets.weighting import batch_fraction
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class CutMixSeg(TeacherStudent):
    """Learn from labels and from a squared error between probabilities.

        L = L_x + lambda q 1/|V| sum_V sum_k (softmax(S(M(u_s)))_k - M(p)_k)^2

    with q the share of valid pixels whose mixed confidence reaches tau. Without ``mix`` it is the
    classic Mean Teacher (Tarvainen and Valpola, NeurIPS 2017) with a confidence factor. Goes with
    ``dts.EmaTeacherHook(decay=0.99, buffers='average')``.

    Deviation: the student sees the strong view (there: the same colours as the teacher); the EMA
    starts as a plain mean.

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of the labelled term.
        threshold: tau, probability in [0, 1].
        consistency_weight: lambda >= 0.
        mix: config of the mixing operation; None for none.

    Raises:
        ValueError: if ``threshold`` or ``consistency_weight`` is out of range.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        threshold: float = 0.97,
        consistency_weight: float = 1.0,
        mix: ConfigType | None = None,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold)
        check_not_negative(consistency_weight=consistency_weight)
        self.threshold = threshold
        self.consistency_weight = consistency_weight
        self.mix: MixOperation | None = MODELS.build(mix) if mix else None

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W), ``unlabeled_weak`` and ``unlabeled_strong``
                (U, 3, H, W), all of one size.
            data_samples: the samples of the branches; labels of unlabelled ones are used for a
                statistic only.

        Returns:
            ``sup.<head>.loss_ce``, ``consistency.loss_mse`` and statistics.
        """
        weak, strong = inputs['unlabeled_weak'], inputs['unlabeled_strong']
        samples = data_samples['unlabeled_weak']
        probs_teacher = self.teachers.probabilities(weak)  # (U, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_pixels(weak, samples))

        images_mixed, probs_mixed, target_mixed = strong, probs_teacher, target
        if self.mix is not None:
            plan = self.mix(target.labels, probs_teacher.shape[1])
            images_mixed, probs_mixed = paste(plan, strong), paste(plan, probs_teacher)
            target_mixed = target.mixed(plan)
        share = batch_fraction(target_mixed, self.threshold)  # (U, H, W), one value
        valid_mask = target_mixed.labels != 255

        labeled = inputs['labeled']
        heads = all_logits(self.student, torch.cat([labeled, images_mixed]))
        labeled_heads, mixed_heads = split_heads(heads, [len(labeled), len(images_mixed)])
        logits_student = mixed_heads[0].logits  # (U, K, H, W)
        probs_student = logits_student.float().softmax(dim=1)
        error = (probs_student - probs_mixed).square().sum(dim=1)  # (U, H, W) in [0, 2]

        labels = stack_labels(data_samples['labeled'])  # (B, H, W)
        self.expose(labeled=inputs['labeled'], source_label=labels)
        self.expose(
            weak=weak,
            mixed=images_mixed,
            pseudo_label=target.labels,
            mixed_label=target_mixed.labels,
            mixed_weight=share,
        )
        losses = self.score_heads(labeled_heads, labels, 'sup')
        losses['consistency.loss_mse'] = (
            self.consistency_weight
            * (share * error * valid_mask).sum()
            / valid_mask.sum().clamp_min(1)
        )

        return losses | self.label_statistics(
            target, self.threshold, logits_student, target_mixed.labels, samples
        )
