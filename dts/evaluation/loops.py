"""Validation and test loops that evaluate several networks of a model in one pass over the data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner, TestLoop, ValLoop, autocast
from torch import nn
from torch.utils.data import DataLoader

from dts.evaluation.models import (
    CheckModelNames,
    available_models,
    evaluation_mode,
    select_models,
)
from dts.evaluation.predictions import PredictionWriter
from dts.evaluation.report import append_metrics, class_table, write_metrics
from dts.registry import LOOPS


class _ModelsLoop:
    """What both loops do; ``mode``, ``val`` or ``test``, completes the names of MMEngine's stages.

    Loading is shared: every batch is read once and given to each network. Each has its own
    evaluator, and its metrics get its name as prefix. Hooks see the outputs of the first network.
    """

    mode: str
    runner: Runner
    dataloader: DataLoader[Any]
    evaluator: Evaluator
    fp16: bool

    def _set_models(self, models: Sequence[str]) -> None:
        """Make one evaluator per network."""
        if isinstance(models, str) or not models or len(set(models)) != len(models):
            raise ValueError(
                f'models of {type(self).__name__} must be a list of different names such as '
                f"['student', 'teacher'], got {models!r}"
            )
        self.models = list(models)
        self.evaluators = {name: copy.deepcopy(self.evaluator) for name in models}

    def run(self) -> dict[str, float]:
        """Evaluate the networks on the whole data set.

        Returns:
            ``<model>/<metric>`` of all networks, equal on all ranks.

        Raises:
            ValueError: if there is no such network.
        """
        self._call('before_{}')
        self._call('before_{}_epoch')
        networks = select_models(self.runner.model, self.models)
        with evaluation_mode(networks), torch.no_grad():
            for index, data_batch in enumerate(self.dataloader):
                self._run_batch(index, data_batch, networks)
        size = len(self.dataloader.dataset)  # type: ignore[arg-type]
        metrics = {
            f'{name}/{key}': value
            for name, evaluator in self.evaluators.items()
            for key, value in evaluator.evaluate(size).items()
        }
        table = class_table(metrics, self.models)
        if table:
            self.runner.logger.info(f'{self.mode} results in percent:\n{table}')
        self._call('after_{}_epoch', metrics=metrics)
        self._call('after_{}')
        if is_main_process():
            self._write(metrics)
        return metrics

    def _run_batch(self, index: int, data_batch: Any, networks: dict[str, nn.Module]) -> None:
        """Give one batch to every network and its evaluator."""
        self._call('before_{}_iter', batch_idx=index, data_batch=data_batch)
        outputs = {}
        for name, network in networks.items():
            with autocast(enabled=self.fp16):
                # The preprocessor of a network casts the batch into copies: none sees another's.
                outputs[name] = getattr(network, f'{self.mode}_step')(data_batch)
            self.evaluators[name].process(data_samples=outputs[name], data_batch=data_batch)
            self._keep(name, outputs[name])
        first = outputs[self.models[0]]
        self._call('after_{}_iter', batch_idx=index, data_batch=data_batch, outputs=first)

    def _call(self, stage: str, **kwargs: Any) -> None:
        """Call the hooks of a stage."""
        self.runner.call_hook(stage.format(self.mode), **kwargs)

    def _keep(self, name: str, outputs: Sequence[Any]) -> None:
        """Write predictions where a loop offers it."""

    def _write(self, metrics: dict[str, float]) -> None:
        """Write the metrics, on the main process."""


@LOOPS.register_module()
class ModelsValLoop(_ModelsLoop, ValLoop):
    """MMEngine's validation loop for several networks.

    A name without a network is refused before the first training step. Logs one class-wise table
    per validation and appends the metrics to ``<work_dir>/<timestamp>/class_iou.jsonl``, one JSON
    object a line.

    Args:
        runner: the runner.
        dataloader: of the validation set.
        evaluator: metrics; every network gets its own copy.
        models: ``student`` and names of teachers: ``teacher``, or ``teacher.0``, ``teacher.1``, ...
        fp16: autocast as in MMEngine: float16 on GPU, bfloat16 on CPU.
    """

    mode = 'val'

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Any] | dict[str, Any],
        evaluator: Evaluator | dict[str, Any] | list[Any],
        *,
        models: Sequence[str] = ('student',),
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self._set_models(models)
        runner.register_hook(CheckModelNames(models))

    def _write(self, metrics: dict[str, float]) -> None:
        append_metrics(metrics, self.runner.iter, Path(self.runner.log_dir) / 'class_iou.jsonl')


@LOOPS.register_module()
class ModelsTestLoop(_ModelsLoop, TestLoop):
    """MMEngine's test loop for several networks; writes ``<work_dir>/test.json``.

    Args:
        runner: the runner.
        dataloader: of the test set.
        evaluator: metrics; every network gets its own copy.
        models: as in ``ModelsValLoop``; None takes every network that the model has.
        out_dir: folder for the predicted labels, see ``PredictionWriter``.
        show_dir: folder for pictures of image, label and prediction.
        fp16: autocast as in MMEngine: float16 on GPU, bfloat16 on CPU.
    """

    mode = 'test'

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Any] | dict[str, Any],
        evaluator: Evaluator | dict[str, Any] | list[Any],
        *,
        models: Sequence[str] | None = None,
        out_dir: str | None = None,
        show_dir: str | None = None,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self._set_models(models or list(available_models(runner.model)))
        metainfo = getattr(self.dataloader.dataset, 'metainfo', {})
        self.writers = {}
        for name in self.models:
            folders = [
                Path(folder, name if len(self.models) > 1 else '') if folder else None
                for folder in (out_dir, show_dir)
            ]
            self.writers[name] = PredictionWriter(*folders, palette=metainfo.get('palette'))

    def _keep(self, name: str, outputs: Sequence[Any]) -> None:
        for sample in outputs:
            self.writers[name].write(sample)

    def _write(self, metrics: dict[str, float]) -> None:
        write_metrics(metrics, Path(self.runner.work_dir) / 'test.json')
