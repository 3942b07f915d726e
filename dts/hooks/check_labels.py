"""Hook that looks at label files before training starts."""

from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.datasets import BaseSegDataset

from dts.datasets.streams import StreamDataset
from dts.datasets.transforms.loading import check_labels
from dts.registry import HOOKS


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Read a sample of the labelled images so that wrong files end a run in its first second.

    Images for validation count too: they are read for the first time when much of the training is
    done. Every mask is checked again when it is loaded; unlabelled streams have none.

    Args:
        num_samples: images to read per stream, and of the validation set.
    """

    priority = 'VERY_HIGH'

    def __init__(self, num_samples: int = 20) -> None:
        self.num_samples = num_samples

    def before_train(self, runner: Runner) -> None:
        """Check every labelled stream and the validation set, on one rank.

        Args:
            runner: the runner.

        Raises:
            FileNotFoundError: if an image or a mask is missing.
            ValueError: if one cannot be used, with its name and the fix.
        """
        if not is_main_process():
            return
        dataset = runner.train_dataloader.dataset
        named = {}
        if isinstance(dataset, StreamDataset):
            named = {f'stream {name!r}': stream for name, stream in dataset.streams.items()}
        if runner.val_loop is not None:
            named['validation'] = runner.val_loop.dataloader.dataset
        for name, images in named.items():
            if isinstance(images, BaseSegDataset):
                num_checked = check_labels(images, self.num_samples, runner.seed)
                runner.logger.info(f'{name}: {len(images)} images, {num_checked} masks checked')
