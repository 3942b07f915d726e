"""Which iterations of a run with gradient accumulation may be saved and resumed."""

from __future__ import annotations

from mmengine.runner import Runner


def check_accumulation(runner: Runner, interval: int) -> None:
    """Refuse files that are written between two optimizer steps, and to go on from one.

    Such a file lacks the gradients that were gathered since the last optimizer step (every rank has
    its own, and one rank writes), so a resumed run would step with a part of them.

    Args:
        runner: the runner, about to train; past ``load_or_resume``.
        interval: iterations between two checkpoints; not positive means none but the last.

    Raises:
        ValueError: if ``interval`` or the iteration to go on from is no multiple of
            ``accumulative_counts``. The last iteration is always an optimizer step.
    """
    counts = runner.optim_wrapper._accumulative_counts
    if 0 < interval < runner.max_iters and interval % counts:
        below = interval - interval % counts
        choices = f'{below} or {below + counts}' if below else f'{counts}'
        raise ValueError(
            f'default_hooks.checkpoint.interval={interval} is no multiple of '
            f'optim_wrapper.accumulative_counts={counts}: files between two optimizer steps lack '
            f'the gradients gathered so far. Set the interval to {choices}'
        )
    if runner.iter < runner.max_iters and runner.iter % counts:
        raise ValueError(
            f'cannot resume at iteration {runner.iter}: with '
            f'optim_wrapper.accumulative_counts={counts} it lies between two optimizer steps, and '
            'the gradients gathered until then are not in the file. Resume from an iter_N.pth '
            f'whose N is a multiple of {counts}, set accumulative_counts to what the run was '
            'started with, or start a new run from the weights with --cfg-options load_from=FILE'
        )
