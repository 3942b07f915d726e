"""Self-training for domain adaptation: DACS, DAFormer, HRDA and MIC by independent switches.

    x_S, y    source images and labels                 inputs['source']
    x_T       target images, no label                  inputs['target']
    p, c, l   probabilities of the teacher on x_T, their maximum and its class
    q         weight of target pixels: share with c >= tau, times the margin map
    M         where the source image is pasted onto x_T: half of the classes of y (ClassMix)
    A         colour jitter and blur
    B         block mask of MIC
    S         student; F its last encoder features, F_0 those of the frozen ImageNet encoder

Source: Tranheden et al. (DACS), WACV 2021; Hoyer et al. (DAFormer), CVPR 2022, (HRDA), ECCV 2022,
(MIC), CVPR 2023; vikolss/DACS, lhoyer/{DAFormer,HRDA,MIC}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.losses.feature_distance import feature_distance
from dts.methods.adaptation_settings import FeatureDistance, Masking
from dts.methods.answers import Answer, ask
from dts.methods.base import stack_labels, valid_pixels
from dts.methods.host import Half, Host, Mixture, Supervision, Views, show_source, supervise_all
from dts.mixing.block_mask import block_masks
from dts.mixing.classmix import ClassDraw, ClassMix, draw_classes
from dts.mixing.plan import MixOperation, MixPlan, paste
from dts.ranges import check_shares
from dts.registry import MODELS
from dts.segmentor import all_logits, encode
from dts.targets.exchange import Opinion
from dts.targets.margin import margin_weights
from dts.targets.pseudo_label import PseudoLabels, make_pseudo_labels
from dts.targets.weighting import get_weighting
from dts.typing import BranchInputs, BranchSamples, ConfigType, Losses


@MODELS.register_module()
class SelfTraining(Host):
    """Learn source labels, and the teacher's labels of the target domain on mixed images.

        L = CE(S(x_S), y) + wCE(S(A(M x_S + (1 - M) x_T)), M y + (1 - M) l; M + (1 - M) q)
            + lambda_F mean_things ||F(x_S) - F_0(x_S)||
            + lambda_B wCE(S(B A'(x_T)), l; q)

    DACS is the first line. ``feature_distance`` adds the second (DAFormer, with rare-class sampling
    and margins in the data pipeline), ``masking`` the third (MIC). HRDA is a student with several
    resolutions. Goes with ``dts.EmaTeacherHook`` (decay 0.99 in DACS, 0.999 and ``first_count=1``
    in the others; ``batch_statistics=True`` in all: in eval mode a teacher with BatchNorm is sure
    of next to nothing on a far target), and with ``dts.ReferenceEncoderHook`` for the feature
    distance.

    Deviation from the released code: all terms are summed and back-propagated once; classes are
    drawn from each image (``class_draw``; DAFormer line: from the union over the batch, DACS draws
    the ignored value too); colours are drawn per image; means leave
    ignored pixels out, which ``criterion=dict(type='dts.CrossEntropy', avg_non_ignore=False)``
    counts as they do.

    Args:
        student: config of a segmentor of MMSeg.
        criterion: config of the loss of all terms.
        threshold: tau, probability in [0, 1].
        weighting: how confidence becomes q, see ``dts.targets.weighting``; the hosts take
            ``batch_fraction``.
        mix: config of the operation whose mask M shows the source image, such as a rectangle by
            ``dict(type='dts.HalfCutMix')`` (compared in DACS's paper); None for half of its
            classes. Of two classes, half is all background or none of it: take a rectangle.
        color: config of the augmentation A of mixed images, None for none.
        feature_distance: ``dict(weight=0.005, classes=[...], min_share=0.75)``; None for none.
        masking: options of ``dts.methods.adaptation_settings.Masking``; None for none.
        class_draw: from which classes those of an image are drawn, ``image`` or (parity)
            ``image_ignored`` or ``batch``, see ``dts.mixing.classmix.draw_classes``.
        one_forward: source and mixed images in one student forward, so that BatchNorm sees in
            training the mixture that it is tested with; False (parity) gives each its own.

    Raises:
        ValueError: if ``threshold`` is out of range, a name is unknown, or ``class_draw`` is set
            beside ``mix``.
    """

    reference: torch.nn.Module | None = None

    def __init__(
        self,
        student: ConfigType,
        criterion: ConfigType | None = None,
        *,
        threshold: float = 0.968,
        weighting: str = 'batch_fraction',
        mix: ConfigType | None = None,
        color: ConfigType | None = None,
        feature_distance: ConfigType | None = None,
        masking: ConfigType | None = None,
        class_draw: ClassDraw = 'image',
        one_forward: bool = False,
    ) -> None:
        super().__init__(student, criterion)
        check_shares(threshold=threshold)
        self.threshold = threshold
        self.weighting = get_weighting(weighting)
        self.mix: MixOperation | None = MODELS.build(mix) if mix else None
        self.color = MODELS.build(color) if color else None
        self.feature_distance = FeatureDistance(**feature_distance) if feature_distance else None
        if self.feature_distance is not None:
            self.feature_distance.check_classes(self.student.num_classes)
        self.masking = Masking(**masking) if masking else None
        if class_draw not in get_args(ClassDraw):
            raise ValueError(f'class_draw must be one of {get_args(ClassDraw)}, got {class_draw!r}')
        if mix and class_draw != 'image':
            raise ValueError(f'class_draw={class_draw!r} has no meaning beside mix: remove one')
        self.class_draw: ClassDraw = class_draw
        self.one_forward = one_forward

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
        views = self.read(inputs, data_samples)
        probs_teacher = self.teachers.probabilities(views.target)  # (B, K, H, W), no gradient
        target = make_pseudo_labels(probs_teacher, valid_pixels(views.target, views.samples))
        supervision = self.supervise(views, target, None)

        mixture = self.mix_source(self.student, views, target.labels)
        mixed = show_source(supervision, mixture)

        answer_source, answer_mixed = ask(
            self.student, [views.source, mixture.images], self.one_forward
        )
        losses = self.score_source(self.student, answer_source, views.source, views.labels)
        losses |= self.score_heads(answer_mixed.heads, mixed.labels, 'mix', mixed.weights)

        assert mixture.pasted is not None  # this class always pastes
        self.expose(
            source=views.source,
            target=views.target,
            mixed=mixture.images,
            pasted=mixture.pasted,
            source_label=views.labels,
            pseudo_label=target.labels,
            mixed_weight=mixed.weights,
        )
        losses |= self.learn_more(self.student, views, [Opinion(target)])
        losses['stat_target_share'] = 1.0 - mixture.pasted.float().mean()
        return losses | self.label_statistics(
            target, self.threshold, answer_mixed.heads[0].logits, mixed.labels, views.samples
        )

    def read(self, inputs: BranchInputs, data_samples: BranchSamples) -> Views:
        """Return the images of a batch; see ``Host``.

        Args:
            inputs: as in ``loss``.
            data_samples: as in ``loss``.

        Raises:
            ValueError: if source and target images differ in number or size.
        """
        source, target = inputs['source'], inputs['target']
        if source.shape != target.shape:
            raise ValueError(
                'every source image is pasted onto a target image, but source is '
                f'{tuple(source.shape)} and target {tuple(target.shape)}: give both the same '
                'number in train_dataloader.sampler.batch and the same crop_size in the pipelines'
            )
        labels = stack_labels(data_samples['source'])
        return Views(source, labels, target, target, data_samples['target'])

    def supervise(self, views: Views, target: PseudoLabels, swap: MixPlan | None) -> Supervision:
        """Return pseudo-labels with q times the margin map, parts of other images as they are.

        Args:
            views: the batch.
            target: pseudo-labels of its target images.
            swap: how target images are mixed among themselves, None for not at all.
        """
        weights = self.weighting(target, self.threshold)
        weights = weights * margin_weights(views.target, views.samples)
        if swap is None:
            return Supervision(target.labels, weights)
        return Supervision(paste(swap, target.labels), paste(swap, weights))

    def mix_source(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Paste parts of a source image and recolour: A(M x_S + (1 - M) x_T).

        Args:
            student: the student that will learn it, for its classes and its normalisation.
            views: the batch.
            labels: not used.
        """
        num_classes = student.num_classes
        if self.mix is None:
            pasted = draw_classes(  # (B, H, W)
                views.labels, num_classes, round_up=True, class_draw=self.class_draw
            )
        else:
            pasted = self.mix(views.labels, num_classes).mask
        images = torch.where(pasted[:, None], views.source, views.target)
        return Mixture(self._recolored(student, images), None, pasted, views.labels)

    def mix_target(self, student: EncoderDecoder, views: Views, labels: Tensor) -> Mixture:
        """Fill half of the classes of a target image from the next one and recolour.

        Args:
            student: the student that will learn it, for its classes and its normalisation.
            views: the batch.
            labels: (B, H, W) int64, pseudo-labels, by whose classes images are cut.
        """
        swap = ClassMix()(labels, student.num_classes)
        images = self._recolored(student, paste(swap, views.target))
        return Mixture(images, swap)

    def learn(self, student: EncoderDecoder, halves: Sequence[Half]) -> Losses:
        """Return the losses of images; see ``Host``.

        Args:
            student: the student that learns.
            halves: what it learns.
        """
        losses: Losses = {}
        answers = ask(student, [half.images for half in halves], self.one_forward)
        for half, answer in zip(halves, answers, strict=True):
            if half.is_source:
                labels = half.supervisions[0].labels
                losses |= self.score_source(student, answer, half.images, labels)
            else:
                losses |= self.score_supervisions(answer.heads, half.supervisions, half.name)
        return losses

    def score_source(
        self, student: EncoderDecoder, answer: Answer, images: Tensor, labels: Tensor
    ) -> Losses:
        """Return the terms of source images: cross entropy, and the feature distance.

        Args:
            student: the student that learns.
            answer: what it says of the images.
            images: (B, 3, H, W).
            labels: (B, H, W) int64.
        """
        losses = self.score_heads(answer.heads, labels, 'source')
        if self.feature_distance is not None:
            if self.reference is None:
                raise RuntimeError(
                    'feature_distance needs the frozen ImageNet encoder: add '
                    "dict(type='dts.ReferenceEncoderHook') to custom_hooks"
                )
            with torch.no_grad():
                features_reference = encode(student, images, self.reference)
            distance = feature_distance(
                answer.features,
                features_reference[-1],
                labels,
                student.num_classes,
                self.feature_distance.classes,
                self.feature_distance.min_share,
            )
            losses['source.loss_distance'] = self.feature_distance.weight * distance
        return losses

    def learn_more(
        self, student: EncoderDecoder, views: Views, opinions: Sequence[Opinion]
    ) -> Losses:
        """Return the masked consistency: labels of whole images hold for masked ones.

        Args:
            student: the student that learns.
            views: the batch.
            opinions: what teachers say of the target images.
        """
        if self.masking is None:
            return {}
        supervisions = supervise_all(self, views, opinions, None)
        images, supervisions = self.masking.choose(views, supervisions)
        if self.masking.color:
            images = self._recolored(student, images)
        images = images * block_masks(images, self.masking.block_size, self.masking.ratio)
        self.expose(masked=images)
        losses = self.score_supervisions(all_logits(student, images), supervisions, 'masked')
        return {name: self.masking.weight * term for name, term in losses.items()}

    def _recolored(self, student: EncoderDecoder, images: Tensor) -> Tensor:
        """Return the images after the colour augmentation, if there is one."""
        if self.color is None:
            return images
        recolored: Tensor = self.color(images, student.data_preprocessor)
        return recolored
