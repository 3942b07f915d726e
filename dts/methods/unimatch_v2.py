"""UniMatch V2: an EMA teacher, two strong views that share out the channels of the features.

    x, y       labelled images and labels           inputs['labeled']
    u_w        weak view of unlabelled              inputs['unlabeled_weak']
    s_1, s_2   two strong views of the same         inputs['unlabeled_strong'], ['..._2']
    c, l       confidence and class of the teacher on u_w
    M_1, M_2   CutMix, drawn for each strong view
    f, h       encoder and decoder of the student

Source: Yang et al., "UniMatch V2", 2025 (arXiv 2410.10777); LiheYoung/UniMatch-V2 unimatch_v2.py.
"""

from __future__ import annotations

import torch

from dts.methods.base import TeacherStudent, stack_labels, valid_pixels
from dts.mixing.plan import MixOperation, paste
from dts.models.channel_dropout import drop_complementary
from dts.ranges import check_shares
from dts.registry import MODELS
from dts.segmentor import all_logits, decode, encode
from dts.targets.pseudo_label import make_pseudo_labels
from dts.targets.weighting import pixel_mask
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class UniMatchV2(TeacherStudent):
    """Learn from labels and from a teacher, on two strong views with complementary features.

        L = L_x + 1/2 (L_1 + L_2)
        L_i = 1/|V| sum_V 1[M_i(c) >= tau] CE(h(m_i f(M_i(s_i))), M_i(l)),   m_1 + m_2 = 2

    Goes with ``dts.EmaTeacherHook(decay=0.996)``; a short run needs a smaller decay.

    Deviation: see ``dts.models.channel_dropout.drop_complementary``; terms are added, not halved (a
    factor that AdamW ignores); buffers of the teacher follow the student (there: averaged).

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of all terms.
        threshold: tau, probability in [0, 1].
        mix: config of the mixing operation of the strong views.

    Raises:
        ValueError: if ``threshold`` is out of range.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        threshold: float = 0.95,
        mix: ConfigType | None = None,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold)
        self.threshold = threshold
        self.mix: MixOperation = MODELS.build(mix or {'type': 'dts.CutMix'})

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W), ``unlabeled_weak``, ``unlabeled_strong`` and
                ``unlabeled_strong_2`` (U, 3, H, W), all of one size.
            data_samples: the samples of the branches; labels of unlabelled ones are used for a
                statistic only.

        Returns:
            ``sup.<head>.loss_ce``, ``strong.loss_ce`` and statistics.
        """
        weak = inputs['unlabeled_weak']
        samples = data_samples['unlabeled_weak']
        probs_teacher = self.teachers.probabilities(weak)  # (U, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_pixels(weak, samples))

        plans = [self.mix(target.labels, probs_teacher.shape[1]) for _ in range(2)]
        mixed = [target.mixed(plan) for plan in plans]
        weights = [pixel_mask(one, self.threshold) for one in mixed]  # (U, H, W) each
        strong = torch.cat(
            [
                paste(plan, inputs[branch])
                for plan, branch in zip(
                    plans, ('unlabeled_strong', 'unlabeled_strong_2'), strict=True
                )
            ]
        )
        heads = all_logits(self.student, inputs['labeled'])
        features = drop_complementary(encode(self.student, strong))
        logits_strong = decode(self.student, features, strong)[0].logits.chunk(2)

        labels = stack_labels(data_samples['labeled'])  # (B, H, W)
        self.expose(labeled=inputs['labeled'], source_label=labels)
        self.expose(
            weak=weak,
            mixed=strong[: len(weak)],
            pseudo_label=target.labels,
            mixed_label=mixed[0].labels,
            mixed_weight=weights[0],
        )
        losses = self.score_heads(heads, labels, 'sup')
        losses['strong.loss_ce'] = 0.5 * sum(
            self.criterion(logits, one.labels, weight)
            for logits, one, weight in zip(logits_strong, mixed, weights, strict=True)
        )

        return losses | self.label_statistics(
            target, self.threshold, logits_strong[0], mixed[0].labels, samples
        )
