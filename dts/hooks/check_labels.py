"""Hook that looks at label files before training starts."""

from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dts.datasets.streams import StreamDataset
from dts.datasets.transforms.loading import check_labels
from dts.registry import HOOKS


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Read a sample of the labelled images so that wrong files end a run in its first second.

    Every mask is checked again when it is loaded for training; unlabelled streams have none.

    Args:
        num_samples: images to read per stream.
    """

    priority = 'VERY_HIGH'

    def __init__(self, num_samples: int = 20) -> None:
        self.num_samples = num_samples

    def before_train(self, runner: Runner) -> None:
        """Check every labelled stream, on one rank.

        Args:
            runner: the runner.

        Raises:
            FileNotFoundError: if an image or a mask is missing.
            ValueError: if one cannot be used, with its name and the fix.
        """
        dataset = runner.train_dataloader.dataset
        if not isinstance(dataset, StreamDataset) or not is_main_process():
            return
        for name, stream in dataset.streams.items():
            num_checked = check_labels(stream, self.num_samples, runner.seed)
            runner.logger.info(
                f'stream {name!r}: {len(stream)} images, {num_checked} masks checked'
            )
