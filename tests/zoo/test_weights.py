"""Weight files: what is read, and that nothing in them runs."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file

import dts.zoo.schemes  # noqa: F401 - registers the addresses
from dts.zoo.weights import read_weights

TENSORS = {'a.weight': torch.arange(6.0).reshape(2, 3), 'b': torch.tensor(3)}
META = {'dataset_meta': {'classes': ['road', 'sky']}}


@pytest.mark.parametrize(
    ('content', 'meta'),
    [
        (TENSORS, {}),
        (OrderedDict(TENSORS), {}),
        ({'state_dict': TENSORS, 'meta': META, 'optimizer': {'lr': 1.0}}, META),
        ({'model': TENSORS}, {}),
    ],
)
def test_checkpoints_and_bare_tensors_are_read(tmp_path: Path, content: dict, meta: dict) -> None:
    torch.save(content, tmp_path / 'w.pth')
    tensors, found = read_weights(tmp_path / 'w.pth')
    torch.testing.assert_close(tensors, TENSORS, rtol=0, atol=0)
    assert found == meta


def test_safetensors_are_read_with_their_notes_here_and_by_mmengine(tmp_path: Path) -> None:
    file = tmp_path / 'w.safetensors'
    save_file(TENSORS, file, metadata={'dts': json.dumps(META)})
    tensors, meta = read_weights(file)
    torch.testing.assert_close(tensors, TENSORS, rtol=0, atol=0)
    assert meta == META
    loaded = CheckpointLoader.load_checkpoint(str(file), map_location='meta')
    assert loaded['meta'] == META
    assert loaded['state_dict']['a.weight'].is_meta
    save_file(TENSORS, file)
    assert read_weights(file)[1] == {}


class Stranger:
    """Would run when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (print, ('it ran',))


@pytest.mark.parametrize('trusted', ['0', '1'])
def test_objects_are_refused_whatever_the_environment_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trusted: str,
) -> None:
    monkeypatch.setenv('DTS_TRUST_CHECKPOINT', trusted)
    torch.save({'state_dict': TENSORS, 'meta': Stranger()}, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match=r'w\.pth is damaged, or holds more than tensors'):
        read_weights(tmp_path / 'w.pth')
    assert 'it ran' not in capsys.readouterr().out


def test_other_contents_are_refused(tmp_path: Path) -> None:
    file = tmp_path / 'w.pth'
    torch.save([torch.zeros(1)], file)
    with pytest.raises(ValueError, match='holds a list, expected tensors by name'):
        read_weights(file)
    torch.save({'a': torch.zeros(1), 'epoch': 3}, file)
    with pytest.raises(ValueError, match='holds other things than tensors: epoch'):
        read_weights(file)
    file.write_bytes(b'PK\x03\x04 torn')
    with pytest.raises(ValueError, match='is damaged'):
        read_weights(file)
    torn = tmp_path / 'w.safetensors'
    torn.write_bytes(b'\xff' * 20)
    with pytest.raises(ValueError, match=r'w\.safetensors is damaged'):
        read_weights(torn)
    with pytest.raises(FileNotFoundError, match=r'no weights at .*gone\.pth'):
        read_weights(tmp_path / 'gone.pth')
