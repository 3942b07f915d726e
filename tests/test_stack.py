"""Stacks that would fail later are refused with the command that helps."""

import pytest

from dts.stack import check_stack, installed_versions, is_fork

OFFICIAL = {
    'torch': '2.13.0+cpu',
    'mmengine': '0.10.7',
    'mmcv-lite': '2.1.0',
    'mmsegmentation': '1.2.2',
    'pkg_resources': 'any',
}
FORK = {
    'torch': '2.13.0',
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmsegmentation': '1.4.2',
}


def official(**changes):
    found = {**OFFICIAL, **{name.replace('_', '-', 1): value for name, value in changes.items()}}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    'found',
    [
        OFFICIAL,
        FORK,
        official(mmcv_lite=None, mmcv='2.1.0'),
        {**official(mmengine='0.11.0rc3'), 'pkg_resources': 'any'},
        {name: v for name, v in official(mmengine='0.11.0rc3').items() if name != 'pkg_resources'},
    ],
)
def test_supported_stacks_pass(found):
    check_stack(found)


@pytest.mark.parametrize(
    ('found', 'message'),
    [
        (official(torch='2.1.0'), r'torch >= 2\.4, found 2\.1\.0'),
        (official(torch=None), r'torch >= 2\.4, found none'),
        (official(mmengine='0.9.0'), r'mmengine >= 0\.10\.7, found 0\.9\.0'),
        (official(mmcv_lite='2.2.0'), r'refuses mmcv-lite 2\.2\.0.*mmcv-lite==2\.1\.0'),
        (official(mmcv='2.1.0'), r'overwrite each other.*pip uninstall'),
        (official(mmcv_lite=None), r'mmcv is not installed.*dts\[lite\]'),
        (official(mmsegmentation=None), 'mmsegmentation is not installed'),
        ({**OFFICIAL, **FORK}, 'new environment'),
        ({**FORK, 'mmcv-lite': '2.1.0'}, 'new environment'),
        ({k: v for k, v in FORK.items() if k != 'onedl-mmcv'}, 'pip install onedl-mmcv'),
        ({k: v for k, v in OFFICIAL.items() if k != 'pkg_resources'}, r'setuptools<81'),
    ],
)
def test_other_stacks_are_refused_with_a_fix(found, message):
    with pytest.raises(ImportError, match=message):
        check_stack(found)


def test_the_fork_is_recognized():
    assert is_fork(FORK)
    assert not is_fork(OFFICIAL)


def test_this_environment_is_read():
    found = installed_versions()
    assert found['torch'].startswith('2.')
    assert any('mmengine' in name for name in found)
