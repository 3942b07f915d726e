"""Which packages of the stack are installed, and whether they fit together.

Two stacks are supported: mmengine + mmcv (or mmcv-lite) + mmsegmentation, and the maintained fork
``onedl-*``, which has the same import names. Nothing here imports them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.version import Version

MINIMUM = {'torch': '2.4', 'mmengine': '0.10.7', 'mmsegmentation': '1.2.2'}
# mmsegmentation 1.2.2 asserts mmcv < 2.2.0 when it is imported; the fork dropped the assertion.
MMCV_LIMIT = '2.2.0'
OFFICIAL = ('mmengine', 'mmcv', 'mmsegmentation')
FORK = ('onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation')
# mmengine asks it for versions before 0.11; setuptools 82 dropped it.
PKG_RESOURCES = 'pkg_resources'


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that make up the stack.

    Returns:
        Distribution name -> version, for those that are installed; ``pkg_resources`` counts as one.
    """
    names = ('torch', *OFFICIAL, 'mmcv-lite', *FORK)
    found = {name: present for name in names if (present := _version(name)) is not None}
    if importlib.util.find_spec(PKG_RESOURCES) is not None:
        found[PKG_RESOURCES] = 'any'
    return found


def _version(name: str) -> str | None:
    """Return the version of a package, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def is_fork(found: Mapping[str, str]) -> bool:
    """Return whether the stack is the fork.

    Args:
        found: distribution name -> version, as from ``installed_versions``.

    Returns:
        True if any package of the fork is there.
    """
    return any(name in found for name in FORK)


def check_stack(found: Mapping[str, str]) -> None:
    """Refuse combinations of packages that fail later in ways that are hard to read.

    Args:
        found: distribution name -> version, as from ``installed_versions``.

    Raises:
        ImportError: with what is wrong and the command that puts it right.
    """
    fork = [name for name in FORK if name in found]
    _check_twins(found, fork)
    needed = FORK if fork else OFFICIAL
    missing = [name for name in needed if name not in found]
    if 'mmcv-lite' in found and 'mmcv' in missing:
        missing.remove('mmcv')
    if missing:
        extra = 'dts[lite]' if not fork else ' '.join(missing)
        raise ImportError(
            f'{", ".join(missing)} is not installed: run "pip install {extra}"'
            + ('' if fork else '; for compiled operations install mmcv==2.1.0 instead of mmcv-lite')
        )
    _check_versions(found)
    if fork:
        return
    mmcv = found.get('mmcv') or found['mmcv-lite']
    if Version(mmcv) >= Version(MMCV_LIMIT):
        name = 'mmcv' if 'mmcv' in found else 'mmcv-lite'
        raise ImportError(
            f'mmsegmentation {found["mmsegmentation"]} refuses {name} {mmcv}, it wants '
            f'< {MMCV_LIMIT}: run "pip install {name}==2.1.0"'
        )
    if PKG_RESOURCES not in found and Version(found['mmengine']) < Version('0.11.0rc0'):
        raise ImportError(
            f'mmengine {found["mmengine"]} needs the module pkg_resources, which setuptools 82 '
            'dropped: run "pip install \'setuptools<81\'"'
        )


def _check_twins(found: Mapping[str, str], fork: list[str]) -> None:
    """Refuse packages that write into the same import folders."""
    official = [name for name in (*OFFICIAL, 'mmcv-lite') if name in found]
    if official and fork:
        raise ImportError(
            f'{", ".join(official)} and {", ".join(fork)} write into the same import folders and '
            'overwrite each other: create a new environment and install one of the two stacks'
        )
    if 'mmcv' in found and 'mmcv-lite' in found:
        raise ImportError(
            f'mmcv {found["mmcv"]} and mmcv-lite {found["mmcv-lite"]} overwrite each other: run '
            '"pip uninstall -y mmcv mmcv-lite", then install one of them'
        )


def _check_versions(found: Mapping[str, str]) -> None:
    """Refuse packages that are too old."""
    for name, minimum in MINIMUM.items():
        present = found.get(name) or found.get(f'onedl-{name}')
        if present is None or Version(present) < Version(minimum):
            raise ImportError(
                f'dts needs {name} >= {minimum}, found {present or "none"}: run '
                f'"pip install \'{name}>={minimum}\'"'
                + (', choosing the build for your device' if name == 'torch' else '')
            )


def has_compiled_ops() -> bool:
    """Return whether the installed mmcv brings its compiled operations.

    Returns:
        False for mmcv-lite, and for a full mmcv that pip built without torch at hand.
    """
    spec = importlib.util.find_spec('mmcv')
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return any(
        path.suffix in {'.so', '.pyd'} for folder in folders for path in Path(folder).glob('_ext.*')
    )
