"""Shims: compiled operations stand in, checkpoints run no code, gloo groups say what they miss."""

import io
import os
import pickle
import random
import sys
import zipfile
from pathlib import Path

import mmcv  # noqa: F401
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import _load_checkpoint
from mmengine.utils.dl_utils.misc import mmcv_full_available

from dts import compat
from dts.stack import has_compiled_ops, installed_versions, is_fork


class Attack:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.skipif(
    has_compiled_ops() or is_fork(installed_versions()), reason='this stack needs no placeholder'
)
def test_missing_operations_are_importable_and_clear_when_called():
    operations = sys.modules['mmcv._ext']
    assert not mmcv_full_available()
    with pytest.raises(RuntimeError, match='point_sample_forward needs the full mmcv'):
        operations.point_sample_forward(1, 2)


@pytest.mark.skipif(not is_fork(installed_versions()), reason='this stack is not the fork')
def test_fork_is_left_as_it_is():
    assert ('mmcv._ext' in sys.modules) == mmcv_full_available() == has_compiled_ops()


def test_applying_again_changes_nothing():
    before = sys.modules.get('mmcv._ext'), dict(CheckpointLoader._schemes)
    compat.apply()
    assert before == (sys.modules.get('mmcv._ext'), dict(CheckpointLoader._schemes))


def test_albumentations_does_not_ask_its_server(monkeypatch):
    monkeypatch.delenv('NO_ALBUMENTATIONS_UPDATE')
    compat.apply()
    assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'
    monkeypatch.setenv('NO_ALBUMENTATIONS_UPDATE', '0')
    compat.apply()
    assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '0'  # the user's word stands


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


def test_flipped_bits_are_found(tmp_path):
    """torch itself loads the wrong number."""
    file = tmp_path / 'flipped.pth'
    torch.save({'weight': torch.full((1000,), 3.0)}, file)
    content = bytearray(file.read_bytes())
    content[content.find(torch.full((2,), 3.0).numpy().tobytes()) + 400] ^= 1
    file.write_bytes(content)
    assert (torch.load(file)['weight'] != 3.0).sum() == 1
    with pytest.raises(ValueError, match=r'flipped\.pth .*the check sum of .* is wrong'):
        compat.load_from_local(str(file))


def legacy_bytes():
    stream = io.BytesIO()
    torch.save({'weight': torch.rand(100)}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


@pytest.mark.parametrize('length', range(0, len(legacy_bytes()), 20))
def test_truncated_files_of_the_old_format_are_named(tmp_path, length):
    file = tmp_path / 'torn.pth'
    file.write_bytes(legacy_bytes()[:length])
    with pytest.raises(ValueError, match=rf'torn\.pth \({length} bytes\) is no readable'):
        compat.load_from_local(str(file))


@pytest.mark.parametrize('trusted', ['0', '1'])
def test_any_bytes_end_in_a_value_error(tmp_path, monkeypatch, trusted):
    monkeypatch.setenv('DTS_TRUST_CHECKPOINT', trusted)
    generator = random.Random(0)
    file = tmp_path / 'noise.pth'
    for length in range(300):
        file.write_bytes(generator.randbytes(length))
        with pytest.raises(ValueError, match=r'noise\.pth'):
            compat.load_from_local(str(file))


def test_old_formats_still_load(tmp_path):
    (tmp_path / 'old.pth').write_bytes(legacy_bytes())
    assert compat.load_from_local(str(tmp_path / 'old.pth'))['weight'].shape == (100,)


def test_objects_are_named(tmp_path):
    torch.save({'history': HistoryBuffer([1.0], [1])}, tmp_path / 'stock.pth')
    with pytest.raises(ValueError, match=r'\(mmengine\.logging\.history_buffer\.HistoryBuffer\)'):
        compat.load_from_local(str(tmp_path / 'stock.pth'))


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


def test_several_machines_need_an_address(monkeypatch):
    for name in ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID', 'SLURM_NNODES'):
        monkeypatch.setenv(name, '2')
    monkeypatch.delenv('MASTER_ADDR', raising=False)
    # Without the check it would wait for the other processes.
    monkeypatch.setattr(torch.distributed, 'init_process_group', lambda backend: None)
    with pytest.raises(ValueError, match='needs the environment variables MASTER_ADDR'):
        compat.init_cpu_process_group('slurm')
