"""Hook that writes checkpoints which stock MMSegmentation opens and a killed run goes on from."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import Runner

from dts.checkpoints.accumulation import check_accumulation
from dts.checkpoints.atomic import remove_temporary_files
from dts.checkpoints.contents import (
    STUDENT,
    check_streams,
    describe_streams,
    pack_model,
    pack_run,
    unpack_run,
    unpack_weights,
)
from dts.checkpoints.plain import drop_opaque, history_from_plain, to_plain
from dts.hooks.teacher_hook import unwrap
from dts.registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """Write ``iter_*.pth`` to resume from and ``best_*.pth`` with the best model.

    ``state_dict`` of every file is one segmentor with the names of stock MMSeg, so that
    ``mmseg.apis.init_model(stock_config, file)`` works. ``iter_*`` files also hold the optimizer,
    schedules, other networks and the streams (under ``dts``). ``best_*`` files hold the model that
    they are named after and nothing else: ``save_best='teacher/mIoU'`` keeps the teacher. All
    values are plain (``torch.load(weights_only=True)`` reads them), files are written
    atomically, and an old file is removed only after its successor is on the disk. Loading a file
    that does not fit the network is an error.

    Args:
        interval: iterations between two files, whole optimizer steps; -1 writes the last alone.
        by_epoch: must be False, as runs count iterations; named since stock configs name it.
        product: the network that ``state_dict`` of ``iter_*`` files holds: ``student``,
            ``student_2``, ``teacher``, ``teacher.1``, ...
        max_keep_ckpts: ``iter_*`` files to keep, -1 for all.
        save_last: whether the last iteration is always written.
        save_best: metrics of which the best model is kept, such as ``student/mIoU``, or ``auto``
            for the first metric.
        rule: ``greater`` or ``less``; None infers it from the name of the metric.
        allow_missing: patterns of tensor names of the segmentor that may be missing, unknown or of
            another shape in ``load_from`` files, such as ``decode_head.conv_seg.*``.

    Raises:
        ValueError: if ``by_epoch`` is true.
    """

    def __init__(
        self,
        interval: int = -1,
        by_epoch: bool = False,
        *,
        product: str = STUDENT,
        max_keep_ckpts: int = -1,
        save_last: bool = True,
        save_best: str | list[str] | None = None,
        rule: str | list[str] | None = None,
        allow_missing: Sequence[str] = (),
    ) -> None:
        if by_epoch:
            raise ValueError('dts.CheckpointHook counts iterations: set by_epoch=False')
        super().__init__(
            interval=interval,
            by_epoch=False,
            max_keep_ckpts=max_keep_ckpts,
            save_last=save_last,
            save_best=save_best,
            rule=rule,
            backend_args={'backend': 'dts.atomic'},
        )
        self.product = product
        self.allow_missing = tuple(allow_missing)
        self._best_product: str | None = None

    def before_train(self, runner: Runner) -> None:
        """Tidy up after a killed run and check the names of the networks.

        Args:
            runner: the runner; teacher hooks have built their teachers.

        Raises:
            ValueError: for an unknown network, or a file between two optimizer steps.
        """
        super().before_train(runner)
        check_accumulation(runner, self.interval)
        self._check_network(runner, self.product, 'product')
        for metric in self.save_best or []:
            self._check_network(runner, _network_of(metric), 'save_best')
        if is_main_process():
            for leftover in remove_temporary_files(Path(self.out_dir)):
                runner.logger.info(f'Removed {leftover}, left behind by a killed run.')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Translate what MMEngine is about to write; runs after all other hooks.

        Args:
            runner: the runner.
            checkpoint: changed in place.
        """
        method = unwrap(runner)
        if self._best_product is not None:
            pack_model(checkpoint, method, self._best_product)
            del checkpoint['message_hub']
        else:
            pack_run(checkpoint, method, self.product, describe_streams(runner.train_dataloader))
            drop_opaque(checkpoint['message_hub']['runtime_info'])
        plain = to_plain(checkpoint)
        checkpoint.clear()
        checkpoint.update(plain)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Translate what was read into what MMEngine expects; ``dts`` stays for other hooks.

        Args:
            runner: the runner.
            checkpoint: a file of ours, of stock MMSeg, or bare tensors. Changed in place.

        Raises:
            ValueError: if it does not fit the config, or cannot be resumed from.
        """
        source = str(runner._load_from or 'the checkpoint')
        method = unwrap(runner)
        if not runner._resume:
            unpack_weights(checkpoint, method, source, self.allow_missing)
            return
        unpack_run(checkpoint, method, source)
        check_streams(checkpoint['dts']['streams'], describe_streams(runner.train_dataloader))
        hub = checkpoint['message_hub']
        hub['log_scalars'] = history_from_plain(hub['log_scalars'])

    def _check_network(self, runner: Runner, name: str, option: str) -> None:
        """Refuse a name that no network of the run has."""
        method = unwrap(runner)
        teachers = method.teachers.moving if method.has_teachers else []
        known = [*method.students, *teachers]
        if name not in known:
            where = f'default_hooks.checkpoint.{option}'
            raise ValueError(f'{where} names the network {name!r}, this run has {known}')

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, int]) -> None:
        """Write first, remove afterwards: MMEngine's order loses all files on a full disk."""
        hub = runner.message_hub
        # The same step is written again when its score is the best.
        kept = list(dict.fromkeys([*getattr(self, 'keep_ckpt_ids', ()), step]))
        if self.max_keep_ckpts > 0:
            # The file lists those that are about to go, so that a run killed before they are gone
            # removes them when it is resumed (``before_train`` of MMEngine).
            hub.update_info('keep_ckpt_ids', kept)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self._path(name)
        hub.update_info('last_ckpt', self.last_ckpt)
        self._write(runner, name, meta, with_run=True)
        if is_main_process():
            self.file_backend.put_text(self.last_ckpt, Path(runner.work_dir, 'last_checkpoint'))
        if self.max_keep_ckpts > 0:
            for old in kept[: -self.max_keep_ckpts]:
                self._remove(self.filename_tmpl.format(old))
            self.keep_ckpt_ids = deque(kept[-self.max_keep_ckpts :], self.max_keep_ckpts)
            hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))

    def _save_best_checkpoint(self, runner: Runner, metrics: Mapping[str, Any]) -> None:
        """Write the model of every metric that improved, then the scores into the run's file."""
        if not self.save_best:
            return
        if 'auto' in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        improved = [
            metric
            for metric, rule in zip(self.key_indicators, self.rules, strict=True)
            if self._is_improvement(runner, metric, rule, metrics)
        ]
        for metric in improved:
            self._write_best(runner, metric, float(metrics[metric]))
        # Between two optimizer steps no file is written; a resumed run validates again.
        if improved and self.last_ckpt is not None and runner.optim_wrapper.should_update():
            self._save_checkpoint_with_step(runner, runner.iter, _meta(runner))

    def _is_improvement(
        self, runner: Runner, metric: str, rule: str, metrics: Mapping[str, Any]
    ) -> bool:
        """Return whether a score beats the best one of this run."""
        if metric not in metrics:
            raise ValueError(
                f'default_hooks.checkpoint.save_best names {metric!r}, which was not evaluated; '
                f'the validation gave {sorted(metrics)}'
            )
        best = runner.message_hub.runtime_info.get(
            self._info_key('best_score', metric), self.init_value_map[rule]
        )
        return bool(self.is_better_than[metric](metrics[metric], best))

    def _write_best(self, runner: Runner, metric: str, score: float) -> None:
        """Write the model of a metric, then remove the one before it."""
        network = _network_of(metric)
        self._check_network(runner, network, 'save_best')
        path_key = self._info_key('best_ckpt', metric)
        old = runner.message_hub.runtime_info.get(path_key)
        name = f'best_{metric}_{self.filename_tmpl.format(runner.iter)}'.replace('/', '_')
        self._best_product = network
        try:
            self._write(runner, name, _meta(runner), with_run=False)
        finally:
            self._best_product = None
        runner.message_hub.update_info(self._info_key('best_score', metric), score)
        runner.message_hub.update_info(path_key, self._path(name))
        if old and Path(old).name != name:
            self._remove(Path(old).name)  # its folder may be that of a run this one is a copy of
        runner.logger.info(f'{metric} {score:.4f} is the best so far: saved {network} to {name}')

    def _write(self, runner: Runner, name: str, meta: dict[str, int], *, with_run: bool) -> None:
        """Let MMEngine collect and write, on the main process."""
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=with_run,
            save_param_scheduler=with_run,
            meta=meta,
            by_epoch=False,
            backend_args=self.backend_args,
        )

    def _remove(self, name: str) -> None:
        """Remove a file that has a successor."""
        if is_main_process():
            Path(self._path(name)).unlink(missing_ok=True)

    def _path(self, name: str) -> str:
        """Return the path of a file of this run."""
        return str(Path(self.out_dir, name))

    def _info_key(self, name: str, metric: str) -> str:
        """Return the name under which MMEngine keeps a value in the message hub."""
        return name if len(self.key_indicators) == 1 else f'{name}_{metric}'


def _network_of(metric: str) -> str:
    """Return the network that a metric is about: ``teacher`` of ``teacher/mIoU``."""
    return metric.partition('/')[0] if '/' in metric else STUDENT


def _meta(runner: Runner) -> dict[str, int]:
    """Return the progress of a run between two steps."""
    return {'epoch': runner.epoch, 'iter': runner.iter}
