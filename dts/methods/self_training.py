"""Self-training for domain adaptation: DACS, DAFormer, HRDA and MIC by independent switches.

    x_S, y    source images and labels                 inputs['source']
    x_T       target images, no label                  inputs['target']
    p, c, l   probabilities of the teacher on x_T, their maximum and its class
    q         weight of target pixels: share with c >= tau, times the margin map
    M         where half of the classes of y are pasted onto x_T (ClassMix)
    A         colour jitter and blur
    B         block mask of MIC
    S         student; F its last encoder features, F_0 those of the frozen ImageNet encoder

Source: Tranheden et al. (DACS), WACV 2021; Hoyer et al. (DAFormer), CVPR 2022, (HRDA), ECCV 2022,
(MIC), CVPR 2023; vikolss/DACS, lhoyer/{DAFormer,HRDA,MIC}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dts.losses.feature_distance import feature_distance
from dts.methods.base import TeacherStudent, check_shares, stack_labels, valid_pixels
from dts.mixing.block_mask import block_masks
from dts.mixing.classmix import draw_classes
from dts.registry import MODELS
from dts.segmentor import all_logits, decode, encode
from dts.targets.margin import margin_weights
from dts.targets.pseudo_label import make_pseudo_labels
from dts.targets.weighting import get_weighting
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class SelfTraining(TeacherStudent):
    """Learn source labels, and the teacher's labels of the target domain on mixed images.

        L = CE(S(x_S), y) + wCE(S(A(M x_S + (1 - M) x_T)), M y + (1 - M) l; M + (1 - M) q)
            + lambda_F mean_things ||F(x_S) - F_0(x_S)||
            + lambda_B wCE(S(B A'(x_T)), l; q)

    DACS is the first line. ``feature_distance`` adds the second (DAFormer, with rare-class sampling
    and margins in the data pipeline), ``masking`` the third (MIC). HRDA is a student with several
    resolutions. Goes with ``dts.EmaTeacherHook`` (decay 0.99 in DACS, 0.999 and ``first_count=1``
    in the others), and with ``dts.ReferenceEncoderHook`` for the feature distance.

    Deviation from the released code: all terms are summed and back-propagated once; classes are
    drawn from each image (DAFormer line: from the union over the batch); the teacher labels in eval
    mode with the student's statistics; colours are drawn per image; means leave ignored pixels out
    (``criterion=dict(type='dts.CrossEntropy', avg_non_ignore=False)`` counts them as there).

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of all terms.
        threshold: tau, probability in [0, 1].
        weighting: how confidence becomes q, see ``dts.targets.weighting``; the hosts take
            ``batch_fraction``.
        color: config of the augmentation A of mixed images, None for none.
        feature_distance: ``dict(weight=0.005, classes=[...], min_share=0.75)``; None for none.
        masking: ``dict(block_size=64, ratio=0.7, weight=1.0, color=True)``; None for none.

    Raises:
        ValueError: if ``threshold`` is out of range or a name is unknown.
    """

    reference: torch.nn.Module | None = None

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        threshold: float = 0.968,
        weighting: str = 'batch_fraction',
        color: ConfigType | None = None,
        feature_distance: ConfigType | None = None,
        masking: ConfigType | None = None,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold)
        self.threshold = threshold
        self.weighting = get_weighting(weighting)
        self.color = MODELS.build(color) if color else None
        self.feature_distance = FeatureDistance(**feature_distance) if feature_distance else None
        self.masking = Masking(**masking) if masking else None

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``source`` and ``target`` (B, 3, H, W) of one size.
            data_samples: the samples of the branches; labels of target images are used for a
                statistic only.

        Returns:
            ``source.<head>.loss_ce``, ``mix.<head>.loss_ce``, on request ``source.loss_distance``
            and ``masked.<head>.loss_ce``, and statistics.
        """
        images_source, images_target = inputs['source'], inputs['target']
        labels = stack_labels(data_samples['source'])
        samples = data_samples['target']
        probs_teacher = self.teachers.probabilities(images_target)  # (B, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_pixels(images_target, samples))
        weights = self.weighting(target, self.threshold) * margin_weights(images_target, samples)

        num_classes = probs_teacher.shape[1]
        pasted = draw_classes(labels, num_classes, round_up=True)  # (B, H, W), True = source
        images_mixed = torch.where(pasted[:, None], images_source, images_target)
        labels_mixed = torch.where(pasted, labels, target.labels)
        weights_mixed = torch.where(pasted, 1.0, weights)

        images_mixed = self._recolored(images_mixed)

        losses = self._learn_source(images_source, labels, num_classes)
        heads_mixed = all_logits(self.student, images_mixed)
        losses |= self.score_heads(heads_mixed, labels_mixed, 'mix', weights_mixed)
        if self.masking is not None:
            images = images_target
            if self.masking.color:
                images = self._recolored(images)
            images = images * block_masks(images, self.masking.block_size, self.masking.ratio)
            self.expose(masked=images)
            heads_masked = all_logits(self.student, images)
            terms = self.score_heads(heads_masked, target.labels, 'masked', weights)
            losses |= {name: self.masking.weight * term for name, term in terms.items()}

        self.expose(
            source=images_source,
            target=images_target,
            mixed=images_mixed,
            pasted=pasted,
            source_label=labels,
            pseudo_label=target.labels,
            mixed_weight=weights_mixed,
        )
        losses['stat_target_share'] = 1.0 - pasted.float().mean()
        return losses | self.label_statistics(
            target, self.threshold, heads_mixed[0].logits, labels_mixed, samples
        )

    def _learn_source(self, images: Tensor, labels: Tensor, num_classes: int) -> Losses:
        """Return the terms of the source images: cross entropy, and the feature distance."""
        features = encode(self.student, images)
        losses = self.score_heads(decode(self.student, features, images), labels, 'source')
        if self.feature_distance is not None:
            if self.reference is None:
                raise RuntimeError(
                    'feature_distance needs the frozen ImageNet encoder: add '
                    "dict(type='dts.ReferenceEncoderHook') to custom_hooks"
                )
            with torch.no_grad():
                features_reference = encode(self.student, images, self.reference)
            distance = feature_distance(
                features[-1],
                features_reference[-1],
                labels,
                num_classes,
                self.feature_distance.classes,
                self.feature_distance.min_share,
            )
            losses['source.loss_distance'] = self.feature_distance.weight * distance
        return losses

    def _recolored(self, images: Tensor) -> Tensor:
        """Return the images after the colour augmentation, if there is one."""
        if self.color is None:
            return images
        recolored: Tensor = self.color(images, self.student.data_preprocessor)
        return recolored


@dataclass(frozen=True)
class FeatureDistance:
    """Settings of the thing-class feature distance of DAFormer.

    Attributes:
        classes: the thing classes.
        weight: lambda_F >= 0.
        min_share: share in [0, 1] of the pixels under a feature that its class must have.
    """

    classes: Sequence[int]
    weight: float = 0.005
    min_share: float = 0.75


@dataclass(frozen=True)
class Masking:
    """Settings of the masked consistency of MIC.

    Attributes:
        block_size: side of a block in pixels; 64 at full resolution, 32 at half.
        ratio: probability in [0, 1] that a block is dropped.
        weight: lambda_B >= 0; acts on the terms of all heads.
        color: whether target images are recoloured before masking (synthetic to real).
    """

    block_size: int = 64
    ratio: float = 0.7
    weight: float = 1.0
    color: bool = True
