"""UniMatch: the student labels the weak view, two strong views and dropped features learn from it.

    x, y       labelled images and labels           inputs['labeled']
    u_w        weak view of unlabelled              inputs['unlabeled_weak']
    s_1, s_2   two strong views of the same         inputs['unlabeled_strong'], ['..._2']
    p, c, l    probabilities of the student on u_w, their maximum and its class; no gradient
    M_1, M_2   CutMix, drawn for each strong view
    f, h       encoder and decoder of the student

Source: Yang et al., CVPR 2023; LiheYoung/UniMatch unimatch.py.
"""

from __future__ import annotations

import torch
from torch import nn

from dts.methods.base import TeacherStudent, stack_labels, valid_pixels
from dts.mixing.plan import MixOperation, paste
from dts.models.channel_dropout import drop_channels
from dts.ranges import check_shares
from dts.registry import MODELS
from dts.segmentor import decode, decode_logits, encode, split_heads
from dts.targets.pseudo_label import make_pseudo_labels
from dts.targets.weighting import pixel_mask
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class UniMatch(TeacherStudent):
    """Learn from labels and, through views and features, from the student's own confidence.

        L = L_x + 1/4 L_1 + 1/4 L_2 + 1/2 L_fp
        L_i = 1/|V| sum_V 1[M_i(c) >= tau] CE(h(f(M_i(s_i))), M_i(l))
        L_fp = 1/|V| sum_V 1[c >= tau] CE(h(drop(f(u_w))), l)

    It has no teacher and needs no teacher hook.

    Deviation: boxes come from other images of the batch (there: of a second unlabelled batch, which
    costs a forward in eval mode); only features of unlabelled images are dropped (there: those of
    labelled ones too, unused); terms are added, not halved (a factor that AdamW ignores).

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of labelled pixels.
        threshold: tau, probability in [0, 1].
        mix: config of the mixing operation of the strong views.
        unlabeled_criterion: config of the loss of the other terms; None for ``criterion``. Class
            weights in it drive a student that labels for itself towards the classes they favour.

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
        unlabeled_criterion: ConfigType | None = None,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold)
        self.threshold = threshold
        self.mix: MixOperation = MODELS.build(mix or {'type': 'dts.CutMix'})
        self.unlabeled_criterion: nn.Module = (
            MODELS.build(unlabeled_criterion) if unlabeled_criterion else self.criterion
        )

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W), ``unlabeled_weak``, ``unlabeled_strong`` and
                ``unlabeled_strong_2`` (U, 3, H, W), all of one size.
            data_samples: the samples of the branches; labels of unlabelled ones are used for a
                statistic only.

        Returns:
            ``sup.<head>.loss_ce``, ``strong.loss_ce``, ``features.loss_ce`` and statistics.
        """
        weak = inputs['unlabeled_weak']
        samples = data_samples['unlabeled_weak']
        num_labeled, num_unlabeled = len(inputs['labeled']), len(weak)

        images = torch.cat([inputs['labeled'], weak])
        features = encode(self.student, images)
        dropped = drop_channels([feature[num_labeled:] for feature in features], rate=0.5)
        both = [torch.cat(pair) for pair in zip(features, dropped, strict=True)]
        heads = decode(self.student, both, images)
        labeled_heads, weak_heads, dropped_heads = split_heads(
            heads, [num_labeled, num_unlabeled, num_unlabeled]
        )
        logits_weak, logits_dropped = weak_heads[0].logits, dropped_heads[0].logits

        probs = logits_weak.detach().float().softmax(dim=1)  # (U, K, H, W)
        target = make_pseudo_labels(probs, valid_pixels(weak, samples))
        plans = [self.mix(target.labels, probs.shape[1]) for _ in range(2)]
        mixed = [target.mixed(plan) for plan in plans]
        weights = [pixel_mask(one, self.threshold) for one in mixed]  # (U, H, W) each
        strong = [
            paste(plan, inputs[branch])
            for plan, branch in zip(plans, ('unlabeled_strong', 'unlabeled_strong_2'), strict=True)
        ]
        logits_strong = decode_logits(self.student, torch.cat(strong)).chunk(2)

        labels = stack_labels(data_samples['labeled'])  # (B, H, W)
        self.expose(labeled=inputs['labeled'], source_label=labels)
        self.expose(
            weak=weak,
            mixed=strong[0],
            pseudo_label=target.labels,
            mixed_label=mixed[0].labels,
            mixed_weight=weights[0],
        )
        losses = self.score_heads(labeled_heads, labels, 'sup')
        losses['strong.loss_ce'] = 0.25 * sum(
            self.unlabeled_criterion(logits, one.labels, weight)
            for logits, one, weight in zip(logits_strong, mixed, weights, strict=True)
        )
        losses['features.loss_ce'] = 0.5 * self.unlabeled_criterion(
            logits_dropped, target.labels, pixel_mask(target, self.threshold)
        )

        return losses | self.label_statistics(
            target, self.threshold, logits_strong[0], mixed[0].labels, samples
        )
