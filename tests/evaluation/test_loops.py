"""Evaluation of several networks: shared loading, separate scores, restored modes, names."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mmcv
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from torch import nn
from torch.utils.data import DataLoader, Dataset

from dts.datasets.cityscapes import CityscapesDataset
from dts.evaluation.loops import ModelsTestLoop, ModelsValLoop
from dts.evaluation.metric import SegmentationMetric
from dts.evaluation.models import CheckModelNames, available_models
from dts.methods.base import TeacherStudent
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import toy_sample, toy_segmentor_config

METAINFO = {'classes': ('road', 'car', 'sky'), 'palette': [[255, 0, 0], [0, 255, 0], [0, 0, 255]]}


class ToyMethod(TeacherStudent):
    """A method whose only use is to hold networks."""

    def loss(self, inputs: Any, data_samples: Any) -> dict:
        raise NotImplementedError


class ToyDataset(Dataset):
    """Three labelled images; counts how often one is read."""

    metainfo = METAINFO

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.samples = [toy_sample((8, 8), 3, rng) for _ in range(3)]
        self.num_reads = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict:
        self.num_reads += 1
        return self.samples[index]


class ToyRunner(SimpleNamespace):
    """What the loops use of a runner; remembers the hook calls."""

    def __init__(self, model: nn.Module, folder: Path) -> None:
        super().__init__(
            model=model,
            work_dir=str(folder),
            log_dir=str(folder / 'log'),
            iter=40,
            logger=MMLogger.get_current_instance(),
            visualizer=SimpleNamespace(),
            cfg={},
            seed=0,
        )
        self.calls: list[tuple[str, dict]] = []
        self.hooks: list[Any] = []

    def call_hook(self, stage: str, **kwargs: Any) -> None:
        self.calls.append((stage, kwargs))

    def register_hook(self, hook: Any) -> None:
        self.hooks.append(hook)


def collate(samples: list[dict]) -> dict:
    return {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}


def make_loader() -> DataLoader:
    return DataLoader(ToyDataset(), batch_size=2, collate_fn=collate)


def make_evaluator() -> Evaluator:
    return Evaluator([SegmentationMetric()])


def make_method(has_teacher: bool = True) -> ToyMethod:
    method = ToyMethod(toy_segmentor_config(3))
    if has_teacher:
        bank = TeacherBank.from_student(method.student, ['teacher'])
        nn.init.normal_(bank['teacher'].segmentor.decode_head.conv_seg.weight, std=2.0)
        method.attach_teachers(bank)
    return method


def expected_scores(network: nn.Module, loader: DataLoader) -> dict[str, float]:
    """Scores of one network by itself, predictions taken from its raw scores."""
    metric = SegmentationMetric()
    metric.dataset_meta = METAINFO
    network.eval()
    for sample in loader.dataset.samples:
        image = (sample['inputs'].flip(0).float()[None] - 127.5) / 127.5
        prediction = network(image, mode='tensor').argmax(dim=1)
        gt = sample['data_samples'].gt_sem_seg.data
        metric.process(None, [{'gt_sem_seg': {'data': gt}, 'pred_sem_seg': {'data': prediction}}])
    return metric.evaluate(3)


def test_validation_scores_each_network_and_reads_once(tmp_path: Path) -> None:
    method = make_method()
    runner, loader = ToyRunner(method, tmp_path), make_loader()
    loop = ModelsValLoop(runner, loader, make_evaluator(), models=['student', 'teacher'])
    metrics = loop.run()
    assert loader.dataset.num_reads == 3
    networks = {'student': method.student, 'teacher': method.teachers['teacher'].segmentor}
    expected = {
        f'{name}/{key}': value
        for name, network in networks.items()
        for key, value in expected_scores(network, loader).items()
    }
    assert metrics == pytest.approx(expected)
    assert metrics['student/mIoU'] != metrics['teacher/mIoU']
    (line,) = (tmp_path / 'log/class_iou.jsonl').read_text().splitlines()
    assert json.loads(line) == pytest.approx({'step': 40, **expected})
    assert loop.run() == pytest.approx(expected)  # nothing is left from the first run
    assert len((tmp_path / 'log/class_iou.jsonl').read_text().splitlines()) == 2


def test_hooks_are_called_as_by_mmengine_with_the_first_network(tmp_path: Path) -> None:
    method = make_method()
    runner = ToyRunner(method, tmp_path)
    loop = ModelsValLoop(runner, make_loader(), make_evaluator(), models=['teacher', 'student'])
    metrics = loop.run()
    stages = [stage for stage, _ in runner.calls]
    per_batch = ['before_val_iter', 'after_val_iter']
    assert stages == [
        'before_val', 'before_val_epoch', *per_batch, *per_batch, 'after_val_epoch', 'after_val',
    ]  # fmt: skip
    calls = dict(runner.calls)
    assert calls['after_val_epoch'] == {'metrics': metrics}
    last = calls['after_val_iter']
    assert last['batch_idx'] == 1
    teacher = method.teachers['teacher'].segmentor
    (prediction,) = teacher.val_step(last['data_batch'])
    torch.testing.assert_close(
        last['outputs'][0].pred_sem_seg.data, prediction.pred_sem_seg.data, rtol=0, atol=0
    )


def test_modes_are_restored_module_by_module(tmp_path: Path) -> None:
    method = make_method().train()
    method.student.backbone.norm.eval()  # as a config that freezes statistics does
    seen = []
    method.student.backbone.conv.register_forward_hook(
        lambda *_: seen.append((method.student.training, method.student.decode_head.training))
    )
    before = [module.training for module in method.modules()]
    state = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    loop = ModelsValLoop(ToyRunner(method, tmp_path), make_loader(), make_evaluator())
    loop.run()
    assert set(seen) == {(False, False)}
    assert [module.training for module in method.modules()] == before
    torch.testing.assert_close(dict(method.state_dict()), state, rtol=0, atol=0)


def test_a_teacher_that_is_not_there_is_refused_before_training(tmp_path: Path) -> None:
    runner = ToyRunner(make_method(has_teacher=False), tmp_path)
    ModelsValLoop(runner, make_loader(), make_evaluator(), models=['student', 'teacher'])
    (hook,) = runner.hooks
    assert isinstance(hook, CheckModelNames)
    with pytest.raises(ValueError, match=r"no network named 'teacher' .* available: student;"):
        hook.before_train(runner)
    runner.model = make_method()
    hook.before_train(runner)


@pytest.mark.parametrize('models', ['student', [], ['student', 'student']])
def test_models_must_be_a_list_of_names(models: Any, tmp_path: Path) -> None:
    runner = ToyRunner(make_method(), tmp_path)
    with pytest.raises(ValueError, match='must be a list of different names'):
        ModelsValLoop(runner, make_loader(), make_evaluator(), models=models)


def test_stock_segmentor_is_the_student(tmp_path: Path) -> None:
    segmentor = MODELS.build(toy_segmentor_config(3))
    assert available_models(segmentor) == {'student': segmentor}
    loop = ModelsTestLoop(ToyRunner(segmentor, tmp_path), make_loader(), make_evaluator())
    metrics = loop.run()
    assert json.loads((tmp_path / 'test.json').read_text()) == metrics
    assert set(metrics) == {
        f'student/{key}' for key in ('mIoU', 'mAcc', 'aAcc', 'IoU.road', 'IoU.car', 'IoU.sky')
    }


def test_test_loop_takes_all_networks_by_default(tmp_path: Path) -> None:
    loop = ModelsTestLoop(ToyRunner(make_method(), tmp_path), make_loader(), make_evaluator())
    assert loop.models == ['student', 'teacher']


def make_source_loader(config: dict, **kwargs: Any) -> DataLoader:
    """A second test set: as the first one, its labels moved on by one class."""
    assert config == {'of': 'source'}
    loader = make_loader()
    for sample in loader.dataset.samples:
        labels = sample['data_samples'].gt_sem_seg
        labels.data = (labels.data + 1) % 3
    return loader


def test_source_domain_is_scored_after_the_target_under_its_own_keys(tmp_path: Path) -> None:
    method = make_method()
    runner, loader = ToyRunner(method, tmp_path), make_loader()
    runner.cfg = {'source_test_dataloader': {'of': 'source'}}
    source = make_source_loader({'of': 'source'})
    runner.build_dataloader = lambda config, **kwargs: source
    out = tmp_path / 'out'
    loop = ModelsTestLoop(runner, loader, make_evaluator(), out_dir=str(out))
    for number, sample in enumerate(loader.dataset.samples):
        sample['data_samples'].set_metainfo({'img_path': f'{number}.png'})
    metrics = loop.run()
    networks = {'student': method.student, 'teacher': method.teachers['teacher'].segmentor}
    expected = {
        f'{prefix}{name}/{key}': value
        for prefix, of in (('', loader), ('source/', source))
        for name, network in networks.items()
        for key, value in expected_scores(network, of).items()
    }
    assert metrics == pytest.approx(expected)
    assert metrics['student/mIoU'] != metrics['source/student/mIoU']
    assert json.loads((tmp_path / 'test.json').read_text()) == pytest.approx(expected)
    stages = [stage for stage, _ in runner.calls]
    assert stages.count('after_test_iter') == len(loader) == 2  # hooks see the target alone
    assert dict(runner.calls)['after_test_epoch'] == {'metrics': metrics}
    assert len(list(out.rglob('*.png'))) == 2 * 3
    assert loop.run() == pytest.approx(expected)  # nothing is left from the first run


def test_without_metrics_nothing_is_scored_and_no_label_is_needed(tmp_path: Path) -> None:
    loader = make_loader()
    for number, sample in enumerate(loader.dataset.samples):
        del sample['data_samples'].gt_sem_seg
        sample['data_samples'].set_metainfo({'img_path': f'{number}.png'})
    runner, out = ToyRunner(make_method(), tmp_path), tmp_path / 'out'
    loop = ModelsTestLoop(runner, loader, Evaluator([]), models=['student'], out_dir=str(out))
    assert loop.run() == {}
    assert sorted(path.name for path in out.iterdir()) == ['0.png', '1.png', '2.png']
    assert not (tmp_path / 'test.json').exists()


def test_label_ids_are_those_of_cityscapes_and_need_its_classes(tmp_path: Path) -> None:
    runner, loader = ToyRunner(make_method(), tmp_path), make_loader()
    with pytest.raises(ValueError, match=r"need its 19 classes, .*\['road', 'car', 'sky'\]"):
        ModelsTestLoop(runner, loader, make_evaluator(), label_ids=True)
    loader.dataset.metainfo = CityscapesDataset.METAINFO
    for number, sample in enumerate(loader.dataset.samples):
        sample['data_samples'].set_metainfo({'img_path': f'{number}.png'})
    written = {}
    for label_ids in (False, True):
        out = tmp_path / f'out_{label_ids}'
        kwargs: Any = dict(models=['student'], out_dir=str(out), label_ids=label_ids)
        ModelsTestLoop(runner, loader, Evaluator([]), **kwargs).run()
        written[label_ids] = mmcv.imread(str(out / '0.png'), 'unchanged')
    assert set(np.unique(written[False])) <= {0, 1, 2}
    assert (written[True] == np.array([7, 8, 11])[written[False]]).all()
