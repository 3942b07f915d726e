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

from dts.datasets.cityscapes import CityscapesDataset
from dts.datasets.raw_ids import SCORED_IDS
from dts.evaluation.models import (
    CheckModelNames,
    available_models,
    evaluation_mode,
    select_models,
)
from dts.evaluation.predictions import PredictionWriter
from dts.evaluation.report import append_metrics, class_table, write_metrics
from dts.registry import LOOPS
from dts.typing import ConfigType

CITYSCAPES_CLASSES = tuple(CityscapesDataset.METAINFO['classes'])


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
            metrics = _evaluate(self.evaluators, self.dataloader)
            self._show(metrics, f'{self.mode} results')
            metrics |= self._score_more(networks)
        self._call('after_{}_epoch', metrics=metrics)
        self._call('after_{}')
        if is_main_process():
            self._write(metrics)
        return metrics

    def _show(self, metrics: dict[str, float], title: str) -> None:
        """Log the class-wise table."""
        table = class_table(metrics, self.models)
        if table:
            self.runner.logger.info(f'{title} in percent:\n{table}')

    def _run_batch(self, index: int, data_batch: Any, networks: dict[str, nn.Module]) -> None:
        """Give one batch to every network and its evaluator."""
        self._call('before_{}_iter', batch_idx=index, data_batch=data_batch)
        outputs = {}
        for name, network in networks.items():
            outputs[name] = self._predict(network, data_batch)
            self.evaluators[name].process(data_samples=outputs[name], data_batch=data_batch)
            self._keep(name, outputs[name])
        first = outputs[self.models[0]]
        self._call('after_{}_iter', batch_idx=index, data_batch=data_batch, outputs=first)

    def _predict(self, network: nn.Module, data_batch: Any) -> Sequence[Any]:
        """Return the predictions of one network."""
        with autocast(enabled=self.fp16):
            # The preprocessor of a network casts the batch into copies: none sees another's.
            predictions: Sequence[Any] = getattr(network, f'{self.mode}_step')(data_batch)
        return predictions

    def _call(self, stage: str, **kwargs: Any) -> None:
        """Call the hooks of a stage."""
        self.runner.call_hook(stage.format(self.mode), **kwargs)

    def _keep(self, name: str, outputs: Sequence[Any]) -> None:
        """Write predictions where a loop offers it."""

    def _score_more(self, networks: dict[str, nn.Module]) -> dict[str, float]:
        """Return metrics of other data sets, where a loop has any."""
        return {}

    def _write(self, metrics: dict[str, float]) -> None:
        """Write the metrics, on the main process."""


def _evaluate(evaluators: dict[str, Evaluator], dataloader: DataLoader[Any]) -> dict[str, float]:
    """Return ``<model>/<metric>`` of what the evaluators have seen."""
    size = len(dataloader.dataset)  # type: ignore[arg-type]
    return {
        f'{name}/{key}': value
        for name, evaluator in evaluators.items()
        for key, value in evaluator.evaluate(size).items()
    }


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

    A config with ``source_test_dataloader`` has a second test set, that of the source domain: it is
    scored after the first one by the same metrics, under ``source/<model>/<metric>``. Hooks,
    predictions and pictures are of the first one alone. Without metrics (``test_evaluator = []``)
    images need no labels, and nothing is scored.

    Args:
        runner: the runner.
        dataloader: of the test set.
        evaluator: metrics; every network gets its own copy.
        models: as in ``ModelsValLoop``; None takes every network that the model has.
        out_dir: folder for the predicted labels, see ``PredictionWriter``.
        show_dir: folder for pictures of image, label and prediction.
        label_ids: whether the files in ``out_dir`` hold the label ids of Cityscapes (7 = road) and
            not class ids (0 = road).
        fp16: autocast as in MMEngine: float16 on GPU, bfloat16 on CPU.

    Raises:
        ValueError: if ``label_ids`` is asked for and the classes are not those of Cityscapes.
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
        label_ids: bool = False,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self._set_models(models or list(available_models(runner.model)))
        metainfo = getattr(self.dataloader.dataset, 'metainfo', {})
        if label_ids and tuple(metainfo.get('classes', ())) != CITYSCAPES_CLASSES:
            raise ValueError(
                'label ids of Cityscapes need its 19 classes, the test set has '
                f'{list(metainfo.get("classes", ()))}: leave label_ids (--label-ids) away'
            )
        self.writers = {}
        for name in self.models:
            folders = [
                Path(folder, name if len(self.models) > 1 else '') if folder else None
                for folder in (out_dir, show_dir)
            ]
            self.writers[name] = PredictionWriter(
                *folders,
                palette=metainfo.get('palette'),
                file_ids=SCORED_IDS if label_ids else None,
            )
        self._set_source(runner.cfg.get('source_test_dataloader'))

    def _set_source(self, config: ConfigType | None) -> None:
        """Build loader and evaluators of the source domain, if the config has them."""
        self.source_dataloader = None
        if config is not None:
            self.source_dataloader = self.runner.build_dataloader(config, seed=self.runner.seed)
            self.source_evaluators = copy.deepcopy(self.evaluators)

    def _keep(self, name: str, outputs: Sequence[Any]) -> None:
        for sample in outputs:
            self.writers[name].write(sample)

    def _score_more(self, networks: dict[str, nn.Module]) -> dict[str, float]:
        if self.source_dataloader is None:
            return {}
        for data_batch in self.source_dataloader:
            for name, network in networks.items():
                predictions = self._predict(network, data_batch)
                self.source_evaluators[name].process(predictions, data_batch)
        metrics = _evaluate(self.source_evaluators, self.source_dataloader)
        self._show(metrics, 'test results on the source domain')
        return {f'source/{key}': value for key, value in metrics.items()}

    def _write(self, metrics: dict[str, float]) -> None:
        if metrics:
            write_metrics(metrics, Path(self.runner.work_dir) / 'test.json')
