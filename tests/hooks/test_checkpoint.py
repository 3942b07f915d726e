from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, load_from_local
from mmseg.apis import init_model
from torch import Tensor, nn

from dts.checkpoints.find import check_resumable, find_newest_checkpoint
from dts.hooks.checkpoint import CheckpointHook
from toy_run import NUM_CLASSES, toy_runner
from toys import toy_segmentor_config

CHECKPOINT = 'default_hooks__checkpoint'


def _trained(work_dir: Path, iterations: int = 2, **changes: Any) -> Runner:
    runner = toy_runner(work_dir, iterations=iterations, **changes)
    runner.train()
    return runner


def _hook(runner: Runner) -> CheckpointHook:
    return next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('*.pth'))


def _teacher(runner: Runner) -> nn.Module:
    return runner.model.teachers['teacher'].segmentor


def _assert_equal(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(actual[name], tensor), name


# ---- resume -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize('product', ['student', 'teacher'])
def test_resumed_run_equals_the_uninterrupted_one(tmp_path: Path, product: str) -> None:
    option = {f'{CHECKPOINT}__product': product}
    straight = _trained(tmp_path / 'straight', 4, **option)
    _trained(tmp_path / 'cut', 2, **option)
    newest = find_newest_checkpoint(tmp_path / 'cut')
    assert newest == tmp_path / 'cut' / 'iter_2.pth'
    resumed = _trained(tmp_path / 'cut', 4, resume=True, load_from=str(newest), **option)
    _assert_equal(resumed.model.state_dict(), straight.model.state_dict())
    _assert_equal(_teacher(resumed).state_dict(), _teacher(straight).state_dict())
    a, b = (torch.load(tmp_path / run / 'iter_4.pth') for run in ('straight', 'cut'))
    for key, moments in a['optimizer']['state'].items():
        _assert_equal(b['optimizer']['state'][key], moments)
    assert b['param_schedulers'] == a['param_schedulers']
    assert b['dts']['streams'] == a['dts']['streams']
    assert b['dts']['teachers']['teachers']['teacher']['updates'] == 4


@pytest.mark.slow
def test_log_history_goes_on_after_a_resume(tmp_path: Path) -> None:
    first = _trained(tmp_path, 2)
    before = first.message_hub.get_scalar('train/loss').data[0].tolist()
    resumed = _trained(tmp_path, 3, resume=True, load_from=str(tmp_path / 'iter_2.pth'))
    history = resumed.message_hub.get_scalar('train/loss')
    assert isinstance(history, HistoryBuffer)
    assert history.data[0].tolist()[:2] == before
    assert len(history.data[0]) == 3


def test_resume_with_other_batches_is_refused(tmp_path: Path) -> None:
    _trained(tmp_path, 1)
    runner = toy_runner(
        tmp_path,
        resume=True,
        load_from=str(tmp_path / 'iter_1.pth'),
        train_dataloader__sampler__batch=dict(labeled=1, unlabeled=3),
    )
    with pytest.raises(
        ValueError, match=r'cannot resume.*global_batch: .*\'labeled\': 2.* in the file'
    ):
        runner.train()


def test_resume_from_a_best_file_is_refused(tmp_path: Path) -> None:
    runner = _trained(tmp_path, 1, **{f'{CHECKPOINT}__save_best': 'student/mIoU'})
    _hook(runner).after_val_epoch(runner, {'student/mIoU': 1.0})
    best = tmp_path / 'best_student_mIoU_iter_1.pth'
    resumed = toy_runner(tmp_path, resume=True, load_from=str(best))
    with pytest.raises(ValueError, match='cannot resume'):
        resumed.train()
    with pytest.raises(ValueError, match='no checkpoint to resume from'):
        check_resumable(best)


# ---- files that stock MMSeg opens ---------------------------------------------------------------


@pytest.mark.parametrize(
    'name', ['iter_2.pth', 'best_student_mIoU_iter_2.pth', 'best_teacher_mIoU_iter_2.pth']
)
def test_stock_mmseg_opens_every_file_and_gives_the_same_logits(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MMEngine's own loader: plain torch.load, which takes no code.
    monkeypatch.setitem(CheckpointLoader._schemes, '', load_from_local)
    runner = _trained(tmp_path, **{f'{CHECKPOINT}__save_best': ['student/mIoU', 'teacher/mIoU']})
    _hook(runner).after_val_epoch(runner, {'student/mIoU': 40.0, 'teacher/mIoU': 41.0})
    network = _teacher(runner) if 'teacher' in name else runner.model.student
    other = runner.model.student if 'teacher' in name else _teacher(runner)
    config = Config(dict(model=toy_segmentor_config(NUM_CLASSES), test_pipeline=[]))
    loaded = init_model(config, str(tmp_path / name), device='cpu')
    loaded.to(memory_format=torch.channels_last)  # another layout sums in another order
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        logits = loaded.encode_decode(images, [dict(img_shape=(8, 8))] * 2)
        assert torch.equal(
            logits, network.eval().encode_decode(images, [dict(img_shape=(8, 8))] * 2)
        )
        assert not torch.equal(
            logits, other.eval().encode_decode(images, [dict(img_shape=(8, 8))] * 2)
        )
    assert loaded.dataset_meta['classes'] == ('a', 'b', 'c')


# ---- best files ---------------------------------------------------------------------------------


def test_best_file_holds_the_network_that_it_is_named_after_and_no_more(tmp_path: Path) -> None:
    runner = _trained(tmp_path, **{f'{CHECKPOINT}__save_best': ['student/mIoU', 'teacher/mIoU']})
    _hook(runner).after_val_epoch(runner, {'student/mIoU': 40.0, 'teacher/mIoU': 41.0})
    for product, network in (('student', runner.model.student), ('teacher', _teacher(runner))):
        best = torch.load(tmp_path / f'best_{product}_mIoU_iter_2.pth')
        _assert_equal(best['state_dict'], network.state_dict())
        assert best['dts'] == {'version': 1, 'product': product}
        assert set(best) == {'meta', 'state_dict', 'dts'}
    assert 'teachers' in torch.load(tmp_path / 'iter_2.pth')['dts']  # back to whole files


def test_best_score_moves_only_upwards_and_one_file_stays(tmp_path: Path) -> None:
    runner = _trained(tmp_path, 1, **{f'{CHECKPOINT}__save_best': 'teacher/mIoU'})
    for iteration, score, kept in ((1, 40.0, 1), (2, 39.0, 1), (3, 40.5, 3), (4, float('nan'), 3)):
        runner.train_loop._iter = iteration
        _hook(runner).after_val_epoch(runner, {'teacher/mIoU': score})
        best = [name for name in _files(tmp_path) if name.startswith('best')]
        assert best == [f'best_teacher_mIoU_iter_{kept}.pth']
    # Scores travel with the run: a resumed run knows what to beat.
    info = torch.load(tmp_path / 'iter_3.pth')['message_hub']['runtime_info']
    assert info['best_score'] == 40.5
    assert Path(info['best_ckpt']).name == 'best_teacher_mIoU_iter_3.pth'


@pytest.mark.slow
def test_resumed_copy_of_a_run_leaves_the_best_file_of_the_original(tmp_path: Path) -> None:
    option = {f'{CHECKPOINT}__save_best': 'student/mIoU'}
    original, copy = tmp_path / 'original', tmp_path / 'copy'
    runner = _trained(original, 1, **option)
    _hook(runner).after_val_epoch(runner, {'student/mIoU': 40.0})
    copy.mkdir()
    for name in _files(original):
        (copy / name).write_bytes((original / name).read_bytes())
    runner = _trained(copy, 2, resume=True, load_from=str(copy / 'iter_1.pth'), **option)
    _hook(runner).after_val_epoch(runner, {'student/mIoU': 41.0})
    assert 'best_student_mIoU_iter_1.pth' in _files(original)
    assert [n for n in _files(copy) if n.startswith('best')] == ['best_student_mIoU_iter_2.pth']


def test_full_disk_while_the_best_model_is_written_keeps_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = _trained(tmp_path, 1, **{f'{CHECKPOINT}__save_best': 'student/mIoU'})
    _hook(runner).after_val_epoch(runner, {'student/mIoU': 40.0})
    _fill_disk(monkeypatch, after=0)
    runner.train_loop._iter = 2
    with pytest.raises(OSError, match=r'best_student_mIoU_iter_2\.pth needs'):
        _hook(runner).after_val_epoch(runner, {'student/mIoU': 41.0})
    assert _files(tmp_path) == ['best_student_mIoU_iter_1.pth', 'iter_1.pth']


@pytest.mark.parametrize(
    ('option', 'value', 'text'),
    [
        ('save_best', 'teacher.1/mIoU', r"save_best names the network 'teacher\.1', this run has"),
        ('product', 'teacher.0', r"product names .* this run has \['student', 'teacher'\]"),
    ],
)
def test_unknown_network_is_refused_before_the_first_step(
    tmp_path: Path, option: str, value: str, text: str
) -> None:
    runner = toy_runner(tmp_path, **{f'{CHECKPOINT}__{option}': value})
    with pytest.raises(ValueError, match=text):
        runner.train()
    assert runner.iter == 0
    assert _files(tmp_path) == []


def test_metric_that_was_not_evaluated_is_named(tmp_path: Path) -> None:
    runner = _trained(tmp_path, 1, **{f'{CHECKPOINT}__save_best': 'teacher/mIoU'})
    with pytest.raises(ValueError, match=r"'teacher/mIoU'.*gave \['student/mIoU'\]"):
        _hook(runner).after_val_epoch(runner, {'student/mIoU': 1.0})


def test_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match='by_epoch=False'):
        CheckpointHook(interval=1, by_epoch=True)


# ---- what is kept -------------------------------------------------------------------------------


def _fill_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let ``after`` files be written, then none."""
    fsync = os.fsync
    written = 0

    def limited(descriptor: int) -> None:
        nonlocal written
        is_file = not os.path.isdir(f'/proc/self/fd/{descriptor}')
        written += is_file
        if is_file and written > after:
            raise OSError(errno.ENOSPC, 'No space left on device')
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', limited)


@pytest.mark.parametrize(('keep', 'expected'), [(-1, [1, 2, 3]), (2, [2, 3]), (1, [3])])
def test_newest_files_are_kept(tmp_path: Path, keep: int, expected: list[int]) -> None:
    _trained(tmp_path, 3, **{f'{CHECKPOINT}__max_keep_ckpts': keep})
    assert _files(tmp_path) == [f'iter_{step}.pth' for step in expected]
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_3.pth')


def test_full_disk_keeps_the_only_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = toy_runner(tmp_path, iterations=3, **{f'{CHECKPOINT}__max_keep_ckpts': 1})
    _fill_disk(monkeypatch, after=2)  # iter_1.pth and last_checkpoint
    with pytest.raises(OSError, match=r'No space left on device: iter_2\.pth needs') as caught:
        runner.train()
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert _files(tmp_path) == ['iter_1.pth']
    assert list(tmp_path.glob('.*')) == []
    assert find_newest_checkpoint(tmp_path) == tmp_path / 'iter_1.pth'
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_1.pth')


def test_run_killed_between_writing_and_removing_is_tidied_up_by_its_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = {f'{CHECKPOINT}__max_keep_ckpts': 1}
    runner = toy_runner(tmp_path, iterations=3, **option)

    def die(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(CheckpointHook, '_remove', die)
    with pytest.raises(SystemExit):
        runner.train()
    monkeypatch.undo()
    assert _files(tmp_path) == ['iter_1.pth', 'iter_2.pth']
    (tmp_path / '.iter_3.pth.77.dts-tmp').write_bytes(b'torn')
    resumed = toy_runner(
        tmp_path, iterations=2, resume=True, load_from=str(tmp_path / 'iter_2.pth'), **option
    )
    resumed.train()
    assert _files(tmp_path) == ['iter_2.pth']
    assert list(tmp_path.glob('.*')) == []


def test_rewriting_a_step_for_a_best_score_removes_nothing(tmp_path: Path) -> None:
    options = {f'{CHECKPOINT}__max_keep_ckpts': 2, f'{CHECKPOINT}__save_best': 'student/mIoU'}
    runner = _trained(tmp_path, 2, **options)
    _hook(runner).after_val_epoch(runner, {'student/mIoU': 40.0})
    assert _files(tmp_path) == ['best_student_mIoU_iter_2.pth', 'iter_1.pth', 'iter_2.pth']


# ---- loading weights ----------------------------------------------------------------------------


def test_new_run_starts_student_and_teacher_from_the_loaded_product(tmp_path: Path) -> None:
    _trained(tmp_path / 'old', **{f'{CHECKPOINT}__product': 'teacher'})
    old = torch.load(tmp_path / 'old' / 'iter_2.pth')
    new = _trained(
        tmp_path / 'new',
        1,
        load_from=str(tmp_path / 'old' / 'iter_2.pth'),
        optim_wrapper__optimizer__lr=0.0,
        optim_wrapper__optimizer__weight_decay=0.0,
    )
    for network in (new.model.student, _teacher(new)):
        weights = dict(network.named_parameters())
        _assert_equal(weights, {name: old['state_dict'][name] for name in weights})


def test_checkpoint_of_another_class_count_is_refused_with_both_counts(tmp_path: Path) -> None:
    _trained(tmp_path / 'old', 1)
    file = str(tmp_path / 'old' / 'iter_1.pth')
    changes = dict(load_from=file, model__student__decode_head__num_classes=5)
    with pytest.raises(ValueError, match='3 classes in the file, 5 in the config') as caught:
        toy_runner(tmp_path / 'new', **changes).train()
    assert str(caught.value).startswith(f'{file} does not fit')
    assert 'decode_head.conv_seg.weight (3, 8, 1, 1) vs (5, 8, 1, 1)' in str(caught.value)


def test_named_tensors_may_start_from_scratch(tmp_path: Path) -> None:
    _trained(tmp_path / 'old', 1)
    old = torch.load(tmp_path / 'old' / 'iter_1.pth')['state_dict']
    new = toy_runner(
        tmp_path / 'new',
        load_from=str(tmp_path / 'old' / 'iter_1.pth'),
        model__student__decode_head__num_classes=5,
        **{f'{CHECKPOINT}__allow_missing': ['decode_head.conv_seg.*']},
    )
    new.load_or_resume()
    assert torch.equal(new.model.student.backbone.conv.weight, old['backbone.conv.weight'])
    assert new.model.student.decode_head.conv_seg.weight.shape == (5, 8, 1, 1)


def test_stock_checkpoint_is_loaded_and_a_partial_one_refused(tmp_path: Path) -> None:
    state = _trained(tmp_path / 'a', 1).model.student.state_dict()
    torch.save(dict(meta={}, state_dict=state), tmp_path / 'stock.pth')
    runner = toy_runner(tmp_path / 'b', load_from=str(tmp_path / 'stock.pth'))
    runner.load_or_resume()
    _assert_equal(runner.model.student.state_dict(), state)
    del state['backbone.conv.weight']
    torch.save(dict(meta={}, state_dict=state), tmp_path / 'partial.pth')
    runner = toy_runner(tmp_path / 'c', load_from=str(tmp_path / 'partial.pth'))
    with pytest.raises(ValueError, match=r'1 missing in the file: backbone\.conv\.weight'):
        runner.load_or_resume()
