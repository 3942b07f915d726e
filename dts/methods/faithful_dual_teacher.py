"""Dual Teacher as its code was released, for comparison with ``dts.DualTeacher``.

Notation as there. Source: naver-ai/dual-teacher 868e6e7, written from a description of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dts.methods.base import TeacherStudent, stack_labels, valid_pixels
from dts.mixing.classmix import ClassMix
from dts.mixing.color import ColorAugmentation
from dts.mixing.cutmix import BetaCutMix
from dts.mixing.flip import draw_flips, flip
from dts.mixing.plan import paste
from dts.ranges import check_shares
from dts.registry import MODELS
from dts.segmentor import all_logits, decode_logits, split_heads
from dts.targets.pseudo_label import make_pseudo_labels
from dts.targets.weighting import image_fraction
from dts.teachers.bank import TeacherBank
from dts.teachers.train_mode import TrainModeTeacher
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses

CONSISTENCY_WEIGHT = 0.2


@MODELS.register_module()
class FaithfulDualTeacher(TeacherStudent):
    """CutMix turns and ClassMix turns with the released weights and denominators.

    Turns of even teachers: weak views are cut and pasted, then every image is jittered (brightness,
    contrast and saturation times 0.75 to 1.25, hue +-0.25 turns, in 80 % of the draws), blurred
    (sigma 0.15 to 1.15, in 50 %) and mirrored (in 50 %, its labels with it);
    w_b = #{c_b >= tau} / #{valid pixels of b}, both of the image before mixing; the loss is the
    mean of w_b CE over the pixels where CE > 0. Turns of odd teachers: ClassMix of strong views;
    q = #{mixed max p >= tau} / #{pixels of the batch}, padding in both; the loss is the mean of
    q CE over all pixels. Implicit consistency: a second teacher forward and the student as it is,
    so the only perturbation is the drop-path that the student trains with.

    Goes with ``dts.SwitchingTeachersHook(teacher_mode='train', buffers='own')``.

    Deviation: what documents a fault and changes no formula is not reproduced: the mask of the
    labelled batch in the consistency term (padding of u is used), one clamped colour draw per batch
    for strong views (per image), images and confidence in 8 bits after CutMix (tensors), the
    unshuffled stream, two schedules. With padding the release stops; its count of valid pixels of
    the mixed image is here that of the image before mixing, so that w_b is a share. Jitter and blur
    act as in ``dts.mixing.color``, brightness first (there in random order).

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of the labelled term; the others are plain cross entropies.
        threshold: tau, probability in [0, 1].

    Raises:
        ValueError: if ``threshold`` is out of range.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        threshold: float = 0.95,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold)
        self.threshold = threshold
        self.cutmix = BetaCutMix(permute=True)
        self.color = ColorAugmentation(0.25, jitter_probability=0.8, blur_probability=0.5)
        self.classmix = ClassMix(permute=True)

    def attach_teachers(self, bank: TeacherBank, student: str = 'student') -> None:
        """Let a hook hand over teachers that label in train mode.

        Args:
            bank: the teachers.
            student: name of the student that they follow.

        Raises:
            ValueError: if a teacher labels in another mode.
        """
        for name in bank.names:
            if type(bank[name]) is not TrainModeTeacher:  # its subclass keeps dropout off
                raise ValueError(
                    f'FaithfulDualTeacher needs teachers in train mode, {name!r} is a '
                    f"{type(bank[name]).__name__}: set custom_hooks=[dict(type='dts."
                    "SwitchingTeachersHook', teacher_mode='train', buffers='own')]"
                )
        super().attach_teachers(bank, student)

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
        valid_mask = valid_pixels(weak, samples)
        is_cutmix = self.teachers.active_index % 2 == 0

        probs_teacher = self.teachers.probabilities(weak)  # (U, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_mask)
        if is_cutmix:
            images_mixed, labels_mixed = self._cut_and_recolor(weak, target.labels)
            weights = image_fraction(target, self.threshold)  # (U, H, W), one value per image
        else:
            plan = self.classmix(target.labels, probs_teacher.shape[1])
            images_mixed, labels_mixed = paste(plan, strong), paste(plan, target.labels)
            sure = paste(plan, probs_teacher.amax(dim=1)) >= self.threshold
            weights = sure.float().mean().expand(sure.shape)  # one value

        labeled = inputs['labeled']
        heads = all_logits(self.student, torch.cat([labeled, images_mixed]))
        labeled_heads, mixed_heads = split_heads(heads, [len(labeled), len(images_mixed)])
        logits_mixed = mixed_heads[0].logits  # (U, K, H, W)
        loss_map = F.cross_entropy(
            logits_mixed, labels_mixed, ignore_index=255, reduction='none'
        )  # (U, H, W), 0 where ignored
        num_counted = (loss_map > 0).sum().clamp_min(1) if is_cutmix else loss_map.numel()
        loss_mix = (weights * loss_map).sum() / num_counted

        probs_again = self.teachers.probabilities(weak)
        target_again = make_pseudo_labels(probs_again, valid_mask)
        logits_strong = decode_logits(self.student, strong)
        loss_map = F.cross_entropy(
            logits_strong, target_again.labels, ignore_index=255, reduction='none'
        )
        sure_map = (target_again.confidence >= self.threshold) & valid_mask
        loss_consistency = (loss_map * sure_map).sum() / valid_mask.sum().clamp_min(1)

        labels = stack_labels(data_samples['labeled'])  # (B, H, W)
        self.expose(labeled=inputs['labeled'], source_label=labels)
        self.expose(
            weak=weak,
            mixed=images_mixed,
            pseudo_label=target.labels,
            mixed_label=labels_mixed,
            mixed_weight=weights,
        )
        losses = self.score_heads(labeled_heads, labels, 'sup')
        losses['mix.loss_ce'] = loss_mix
        losses['consistency.loss_ce'] = CONSISTENCY_WEIGHT * loss_consistency
        return losses | self.label_statistics(
            target, self.threshold, logits_mixed, labels_mixed, samples
        )

    def _cut_and_recolor(self, weak: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed images with colours and sides of their own, and their labels.

        Confidence is not pasted, and its count per image does not feel the flip.
        """
        plan = self.cutmix(labels, self.student.num_classes)
        recolored = self.color(paste(plan, weak), self.student.data_preprocessor)
        flips = draw_flips(labels)
        return flip(flips, recolored), flip(flips, paste(plan, labels))
