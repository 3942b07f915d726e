"""CPS: two students of one architecture and different initial weights label images for each other.

    x, y     labelled images and labels            inputs['labeled']
    u        unlabelled images                     inputs['unlabeled_weak']
    z_k      scores of student k, k = 1, 2
    l_k      argmax z_k, hard labels without a gradient
    M        mixing operation
    lambda   weight of the cross term              cross_weight

Source: Chen, Yuan, Zeng and Wang, "Semi-Supervised Semantic Segmentation with Cross Pseudo
Supervision", CVPR 2021; charlesCXK/TorchSemiSeg.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from dts.methods.base import TeacherStudent, has_labels, stack_labels, valid_pixels
from dts.mixing.plan import MixOperation, paste
from dts.ranges import check_not_negative
from dts.registry import MODELS
from dts.segmentor import all_logits, decode_logits
from dts.targets.diagnostics import labels_differ
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class CrossPseudoSupervision(TeacherStudent):
    """Learn from labels, and from what the other student says of all images.

        L = sum_k CE(z_k(x), y) + lambda (CE(z_1(x, u), l_2(x, u)) + CE(z_2(x, u), l_1(x, u)))

    and with ``mix``, as in the CPS + CutMix of the paper, each from the labels that the other gives
    to the unmixed images, mixed the same way:

        L = sum_k CE(z_k(x), y) + lambda (CE(z_1(M(u)), M(l_2(u))) + CE(z_2(M(u)), M(l_1(u))))

    CE is the mean over the valid pixels of all images in its brackets (as released; the paper adds
    a mean over x to one over u), every pixel counts whatever its confidence, and students are in
    train mode also when they label unmixed images (as released). The students are called
    ``student``, which a run is about, and ``student_2``. Both start from the pretrained weights
    that the config names, and from random heads of their own; ``load_from`` fills the first one.
    There is no teacher and no teacher hook.

    Deviation: a student sees labelled and unlabelled images in one forward (there: one after the
    other, which BatchNorm feels); mixing partners come from the batch (there: a second one);
    class weights of the criterion act on all terms.

    Args:
        student: config of a segmentor of MMSeg, from which both students are built.
        criterion: config of the loss of all terms.
        cross_weight: lambda >= 0; published: 1.5 on VOC 2012 and 6 on Cityscapes, with CutMix 1
            on VOC 2012.
        mix: config of the mixing operation; None for none.

    Raises:
        ValueError: if ``cross_weight`` is negative.
    """

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        cross_weight: float = 1.5,
        mix: ConfigType | None = None,
    ) -> None:
        super().__init__(copy.deepcopy(student), criterion)
        check_not_negative(cross_weight=cross_weight)
        self.student_2 = MODELS.build(student).to(memory_format=torch.channels_last)
        self.cross_weight = cross_weight
        self.mix: MixOperation | None = MODELS.build(mix) if mix else None

    @property
    def students(self) -> dict[str, nn.Module]:
        """Both students, by the names that evaluation and checkpoints use."""
        return {'student': self.student, 'student_2': self.student_2}

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the losses of one step.

        Args:
            inputs: ``labeled`` (B, 3, H, W) and ``unlabeled_weak`` (U, 3, H, W) of one size.
            data_samples: the samples of the branches; labels of unlabelled ones are used for a
                statistic only.

        Returns:
            ``sup.<head>.loss_ce`` and ``cross.loss_ce`` of the first student, ``sup_2`` and
            ``cross_2`` of the second, and statistics.
        """
        labeled, unlabeled = inputs['labeled'], inputs['unlabeled_weak']
        samples = data_samples['unlabeled_weak']
        pair = list(self.students.values())
        valid_mask = valid_pixels(unlabeled, samples)

        mixed = unlabeled
        if self.mix is None:
            heads = [all_logits(student, torch.cat([labeled, unlabeled])) for student in pair]
            logits = [heads_of_one[0].logits for heads_of_one in heads]  # (B + U, K, H, W) each
            valid_mask = torch.cat([valid_pixels(labeled, data_samples['labeled']), valid_mask])
            said = targets = [hard_labels(scores, valid_mask) for scores in logits]
        else:
            with torch.no_grad():
                unmixed = [decode_logits(student, unlabeled) for student in pair]
            # Older autocast would use the weights that it rounded here, without a gradient, again
            # below (pytorch/pytorch#158232).
            torch.clear_autocast_cache()
            said = [hard_labels(scores, valid_mask) for scores in unmixed]  # (U, H, W) each
            plan = self.mix(said[0], self.student.num_classes)
            targets = [paste(plan, labels) for labels in said]
            mixed = paste(plan, unlabeled)
            images = torch.cat([labeled, mixed])
            heads = [all_logits(student, images) for student in pair]
            logits = [heads_of_one[0].logits[len(labeled) :] for heads_of_one in heads]

        truth = stack_labels(data_samples['labeled'])
        num_unlabeled = len(unlabeled)
        self.expose(labeled=labeled, source_label=truth)
        self.expose(
            weak=unlabeled,
            mixed=mixed,
            pseudo_label=said[0][-num_unlabeled:],
            pseudo_label_2=said[1][-num_unlabeled:],
            mixed_label=targets[1][-num_unlabeled:],  # what the first student learns
        )
        losses: Losses = {}
        for suffix, heads_of_one, scores, target in zip(
            ('', '_2'), heads, logits, reversed(targets), strict=True
        ):
            labeled_heads = [h._replace(logits=h.logits[: len(labeled)]) for h in heads_of_one]
            losses |= self.score_heads(labeled_heads, truth, f'sup{suffix}')
            losses[f'cross{suffix}.loss_ce'] = self.cross_weight * self.criterion(scores, target)

        losses['stat_students_disagree'] = labels_differ(targets[0], targets[1])
        if has_labels(samples):
            hidden = stack_labels(samples)
            losses['stat_pseudo_accuracy'] = 1 - labels_differ(said[0][-num_unlabeled:], hidden)
        return losses


def hard_labels(logits: Tensor, valid_mask: Tensor) -> Tensor:
    """Return the class of the highest score, without a gradient.

    Args:
        logits: (N, K, H, W).
        valid_mask: (N, H, W) bool, False in the padding.

    Returns:
        (N, H, W) int64, 255 in the padding.
    """
    return torch.where(valid_mask, logits.detach().max(dim=1).indices, 255)
