"""Hook that gives a method the frozen ImageNet encoder."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from dts.config import student_config
from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS, MODELS


@HOOKS.register_module()
class ReferenceEncoderHook(Hook):
    """Build the student's backbone once more, with its pretrained weights, and freeze it.

    Like a teacher it is no part of the module tree. A resumed run builds it from the same file.

    Source: ImageNet encoder of lhoyer/DAFormer mmseg/models/uda/dacs.py.
    """

    priority = 'ABOVE_NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Build and attach the encoder.

        Args:
            runner: the runner.

        Raises:
            ValueError: if the backbone of the config has no pretrained weights, or the method asks
                for no reference.
        """
        method: nn.Module = unwrap(runner)
        method = getattr(method, 'host', method)
        config: Any = student_config(runner.cfg.model)['backbone']
        if not config.get('init_cfg'):
            raise ValueError(
                'ReferenceEncoderHook keeps the student close to its pretrained encoder, but '
                'student.backbone of the model has no init_cfg: name the weights, or take the hook '
                'and feature_distance out'
            )
        if getattr(method, 'feature_distance', None) is None:
            raise ValueError(
                f'{type(method).__name__} asks for no reference encoder: set '
                'model.feature_distance, or take ReferenceEncoderHook out'
            )
        reference = MODELS.build(config)
        reference.init_weights()
        device = next(unwrap(runner).parameters()).device
        # the layout of the student, so that equal weights give equal features
        reference.to(device, memory_format=torch.channels_last).requires_grad_(False)
        reference.eval()  # no chain: backbones of MMSeg return None from train and eval
        # past nn.Module.__setattr__, which would register it
        object.__setattr__(method, 'reference', reference)
