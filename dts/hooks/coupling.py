"""Hook that logs how close teachers and student are, the quantity that motivates Dual Teacher."""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from dts.evaluation.models import evaluation_mode
from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS
from dts.segmentor import decode_logits


@HOOKS.register_module()
class CouplingHook(Hook):
    """Log distance and agreement of every teacher and the student.

    - ``{teacher}.distance``: ||teacher - student|| / ||student|| over all parameters.
    - ``{teacher}.agreement``: share of the pixels of the first validation images to which teacher
      and student, both in eval mode, give the same class, in [0, 1].

    Draw the curves with ``tools/analysis_tools/plot_coupling.py``.

    Source: Na et al., NeurIPS 2023, the figure that motivates several teachers; which distance they
    plot is not public, these two are our choice.

    Args:
        interval: iterations between two measurements; the logger must write as often.
        num_batches: of the validation loader, predicted each time; they stay in memory.

    Raises:
        ValueError: if one of them is below 1.
    """

    # after the teachers moved, before the logger writes
    priority = 'NORMAL'

    def __init__(self, interval: int = 20, num_batches: int = 8) -> None:
        for name, value in (('interval', interval), ('num_batches', num_batches)):
            if value < 1:
                raise ValueError(f'{name} of CouplingHook must be at least 1, got {value}')
        self.interval = interval
        self.num_batches = num_batches

    def before_train(self, runner: Runner) -> None:
        """Load the validation images.

        Args:
            runner: the runner.

        Raises:
            ValueError: if the config has no validation set, the method trains several students, or
                the logger writes at other iterations, where values of earlier ones would stand.
        """
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook) and hook.interval != self.interval:
                raise ValueError(
                    f'CouplingHook measures every {self.interval} iterations, the log is written '
                    f'every {hook.interval}: set default_hooks.logger.interval={self.interval}'
                )
        if runner.val_loop is None:
            raise ValueError('CouplingHook predicts validation images: add val_dataloader')
        if len(unwrap(runner).students) > 1:
            raise ValueError(
                'CouplingHook compares every teacher with one student, this method trains '
                f'{list(unwrap(runner).students)}: take it out of the hooks'
            )
        self.batches = list(islice(runner.val_loop.dataloader, self.num_batches))

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Measure and log.

        Args:
            runner: the runner.
            batch_idx: index of the iteration.
            data_batch: not used.
            outputs: not used.
        """
        if (batch_idx + 1) % self.interval:
            return
        method = unwrap(runner)
        with evaluation_mode({'student': method.student}):
            predicted = self._predict(method.student)
        for name in method.teachers.moving:
            teacher = method.teachers[name].segmentor
            distance = relative_distance(teacher, method.student)
            runner.message_hub.update_scalar(f'train/{name}.distance', distance)
            agreement = same_share(self._predict(teacher), predicted)
            runner.message_hub.update_scalar(f'train/{name}.agreement', agreement)

    @torch.no_grad()
    def _predict(self, segmentor: EncoderDecoder) -> list[Tensor]:
        """Return the classes of every image, (B, H, W) int64 each."""
        inputs = [segmentor.data_preprocessor(batch, False)['inputs'] for batch in self.batches]
        return [decode_logits(segmentor, images).argmax(dim=1) for images in inputs]


@torch.no_grad()
def relative_distance(teacher: nn.Module, student: nn.Module) -> Tensor:
    """Return ||teacher - student|| / ||student|| over all parameters.

    Args:
        teacher: a network.
        student: a network with the same parameters.

    Returns:
        Scalar >= 0.
    """
    ours = torch.cat([weight.flatten() for weight in student.parameters()])
    other = torch.cat([weight.flatten() for weight in teacher.parameters()])
    return (other - ours).norm() / ours.norm()


def same_share(one: list[Tensor], two: list[Tensor]) -> Tensor:
    """Return the share of equal entries over all tensors.

    Args:
        one: tensors.
        two: tensors of the same shapes.

    Returns:
        Scalar in [0, 1].
    """
    same = sum((a == b).sum() for a, b in zip(one, two, strict=True))
    return torch.as_tensor(same) / sum(a.numel() for a in one)
