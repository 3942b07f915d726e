"""One-line errors for mistakes of users, tracebacks for everything else; config rewriting."""

from __future__ import annotations

import errno
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from mmengine.dist import get_rank
from torch.utils.data import DataLoader, Dataset

from dts.checkpoints.atomic import write_atomically
from dts.evaluation.predictions import PredictionWriter
from dts.launch import check_file, end_processes, read_config, revert_sync_bn, user_errors
from runs import on_ranks


class WrongFiles(Dataset):
    """Raises our error, as a transform in a worker does."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        check_file('frame_7.png', 'image')


def test_our_errors_end_in_one_line(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught, user_errors():
        PredictionWriter(None, Path('show'))
    assert caught.value.code == 2
    first, hint = capsys.readouterr().err.splitlines()
    assert first.startswith('error: pictures need colours')
    assert 'DTS_TRACEBACK=1' in hint


def test_a_full_disk_ends_in_one_line(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(SystemExit) as caught, user_errors():
        write_atomically(tmp_path / 'iter_8.pth', b'weights')
    assert caught.value.code == 2
    first, _ = capsys.readouterr().err.splitlines()
    assert 'No space left on device: iter_8.pth needs' in first
    assert 'go on with --resume' in first


def test_our_errors_in_a_worker_end_in_one_line(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught, user_errors():
        next(iter(DataLoader(WrongFiles(), num_workers=1)))
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith('error: no image at frame_7.png (looked from')


def test_traceback_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DTS_TRACEBACK', '1')
    with pytest.raises(ValueError, match='pictures need colours'), user_errors():
        PredictionWriter(None, Path('show'))


def test_errors_of_others_keep_their_traceback() -> None:
    with pytest.raises(ValueError, match='invalid literal'), user_errors():
        int('x')
    with pytest.raises(FileNotFoundError), user_errors():
        Path('nothing').read_text()


def test_sync_bn_is_replaced_everywhere() -> None:
    model = {
        'norm_cfg': {'type': 'SyncBN', 'eps': 1e-3},
        'heads': [{'norm_cfg': {'type': 'SyncBN'}}, {'norm_cfg': {'type': 'GN'}}],
        'type': 'EncoderDecoder',
    }
    assert revert_sync_bn(model) == 2
    assert model == {
        'norm_cfg': {'type': 'BN', 'eps': 1e-3},
        'heads': [{'norm_cfg': {'type': 'BN'}}, {'norm_cfg': {'type': 'GN'}}],
        'type': 'EncoderDecoder',
    }
    assert revert_sync_bn(model) == 0


@pytest.mark.parametrize(
    ('option', 'entry', 'expected'),
    [
        (None, '', 'work_dirs/toy'),
        (None, "work_dir = 'w'", 'w'),
        ('o', "work_dir = 'w'", 'o'),
    ],
)
def test_work_dir_is_option_then_file_then_name(
    option: str | None, entry: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('LOCAL_RANK', '0')
    (tmp_path / 'toy.py').write_text(f'a = dict(b=1, c=2)\n{entry}\n')
    args = Namespace(
        config=str(tmp_path / 'toy.py'),
        work_dir=option,
        cfg_options={'a.b': 5},
        launcher='none',
        local_rank=0,
    )
    cfg = read_config(args)
    assert cfg.work_dir == expected
    assert cfg.a == {'b': 5, 'c': 2}


def test_missing_config_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r'no config at configs/nothing\.py'):
        read_config(Namespace(config='configs/nothing.py'))


def join_and_end(folder: str) -> None:
    torch.distributed.init_process_group('gloo')
    if get_rank() == 0:
        time.sleep(0.5)
        Path(folder, 'late').touch()
    end_processes()
    assert Path(folder, 'late').exists()  # the other rank waited
    assert not torch.distributed.is_initialized()


def test_processes_end_together(tmp_path: Path) -> None:
    end_processes()  # one process alone has nothing to end
    on_ranks(join_and_end, str(tmp_path))
