"""Supervised baseline: the labelled branch alone, under the loader and schedule of the methods."""

from __future__ import annotations

from dts.methods.base import TeacherStudent, stack_labels
from dts.registry import MODELS
from dts.segmentor import all_logits
from dts.typing import BranchInputs, BranchSamples, Losses


@MODELS.register_module()
class Supervised(TeacherStudent):
    """Train the student on labelled images only.

    A teacher hook may be attached; its teacher is then an averaged model that is evaluated but
    never asked.
    """

    def loss(self, inputs: BranchInputs, data_samples: BranchSamples) -> Losses:
        """Return the supervised loss.

        Args:
            inputs: ``labeled`` (B, 3, H, W).
            data_samples: ``labeled``, with labels.

        Returns:
            ``sup.<head>.loss_ce``.
        """
        heads = all_logits(self.student, inputs['labeled'])
        return self.score_heads(heads, stack_labels(data_samples['labeled']), 'sup')
