"""Shims: compiled operations stand in, checkpoints run no code, gloo groups say what they miss."""

import io
import os
import pickle
import sys
import zipfile
from pathlib import Path

import mmcv  # noqa: F401
import pytest
import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import _load_checkpoint
from mmengine.utils.dl_utils.misc import mmcv_full_available

from dts import compat
from dts.stack import has_compiled_ops


class Attack:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.skipif(has_compiled_ops(), reason='this mmcv has its operations')
def test_missing_operations_are_importable_and_clear_when_called():
    operations = sys.modules['mmcv._ext']
    assert not mmcv_full_available()
    with pytest.raises(RuntimeError, match='point_sample_forward needs the full mmcv'):
        operations.point_sample_forward(1, 2)


def test_applying_again_changes_nothing():
    before = sys.modules.get('mmcv._ext'), dict(CheckpointLoader._schemes)
    compat.apply()
    assert before == (sys.modules.get('mmcv._ext'), dict(CheckpointLoader._schemes))


def test_tensors_load(tmp_path):
    file = tmp_path / 'plain.pth'
    torch.save({'state_dict': {'weight': torch.arange(3)}}, file)
    loaded = _load_checkpoint(str(file), map_location='cpu')
    assert torch.equal(loaded['state_dict']['weight'], torch.arange(3))


@pytest.mark.parametrize('zipped', [True, False])
def test_code_in_a_checkpoint_does_not_run_unless_trusted(tmp_path, monkeypatch, zipped):
    marker, file = tmp_path / 'executed', tmp_path / 'attack.pth'
    torch.save({'state_dict': Attack(marker)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r'attack\.pth holds pickled.*DTS_TRUST_CHECKPOINT=1'):
        _load_checkpoint(str(file), map_location='cpu')
    assert not marker.exists()
    monkeypatch.setenv('DTS_TRUST_CHECKPOINT', '1')
    _load_checkpoint(str(file), map_location='cpu')
    assert marker.exists()  # the file was able to run code


def test_bare_pickle_does_not_run(tmp_path):
    marker, file = tmp_path / 'executed', tmp_path / 'bare.pth'
    file.write_bytes(pickle.dumps(Attack(marker)))
    with pytest.raises(ValueError, match=r'bare\.pth'):
        compat.load_from_local(str(file))
    assert not marker.exists()


@pytest.mark.parametrize('length', [0, 1, 100, 1000])
def test_truncated_files_are_named(tmp_path, length):
    stream = io.BytesIO()
    torch.save({'weight': torch.rand(1000)}, stream)
    file = tmp_path / 'torn.pth'
    file.write_bytes(stream.getvalue()[:length])
    with pytest.raises(ValueError, match=rf'torn\.pth \({length} bytes\) is no readable'):
        compat.load_from_local(str(file))


def test_other_archives_are_no_checkpoints(tmp_path):
    file = tmp_path / 'other.pth'
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('readme.txt', 'no checkpoint')
    with pytest.raises(ValueError, match='no readable checkpoint'):
        compat.load_from_local(str(file))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at .*none\.pth'):
        compat.load_from_local(str(tmp_path / 'none.pth'))


def test_processes_without_a_launcher_are_told(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=r'RANK, WORLD_SIZE, LOCAL_RANK: start the processes by'):
        compat.init_cpu_process_group('pytorch')
    with pytest.raises(ValueError, match='SLURM_PROCID'):
        compat.init_cpu_process_group('slurm')
    with pytest.raises(ValueError, match="unknown launcher 'ray'"):
        compat.init_cpu_process_group('ray')
