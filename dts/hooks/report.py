"""Hook that writes the HTML report of the run while it trains and at its end."""

from __future__ import annotations

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dts.registry import HOOKS
from dts.report.write import DEFAULT_IMAGES, check_packages, write_report

REPORT_FILE = 'report.html'


@HOOKS.register_module()
class ReportHook(Hook):
    """Write ``<work_dir>/report.html``, as ``tools/analysis_tools/report.py`` does.

    After a validation only files are read. At the end, after the final test when the config asks
    for one, the networks of the last checkpoint also predict some test images. Only the main
    process writes; a report that fails is a warning and never ends a training.

    Args:
        every_validation: whether the report is renewed after every validation.
        num_images: test images that the final report predicts; 0 runs no network.

    Raises:
        ValueError: if the packages that draw are missing.
    """

    priority = 'LOWEST'  # after the logger, whose files are read

    def __init__(self, every_validation: bool = False, num_images: int = DEFAULT_IMAGES) -> None:
        check_packages()
        self.every_validation = every_validation
        self.num_images = num_images
        self._awaits_test = False

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Renew the report from the logs.

        Args:
            runner: the runner.
            metrics: not used, the logger has written them.
        """
        if self.every_validation:
            self._write(runner, num_images=0)

    def after_train(self, runner: Runner) -> None:
        """Remember whether a test follows, whose scores the final report shows.

        Args:
            runner: the runner.
        """
        self._awaits_test = runner.cfg.get('final_test', False)

    def after_test(self, runner: Runner) -> None:
        """Note that the test is done.

        Args:
            runner: the runner.
        """
        self._awaits_test = False

    def after_run(self, runner: Runner) -> None:
        """Write the report of the finished run, called after training and after the test.

        Args:
            runner: the runner.
        """
        self._write(runner, num_images=0 if self._awaits_test else self.num_images)

    @master_only
    def _write(self, runner: Runner, num_images: int) -> None:
        """Write the report and say where."""
        out = Path(runner.work_dir) / REPORT_FILE
        try:
            write_report([Path(runner.work_dir)], out, num_images=num_images)
        except (OSError, ValueError) as error:
            runner.logger.warning(f'no report was written: {error}')
        else:
            runner.logger.info(f'report: {out}')
