"""Everything that this package changes in, or checks about, the stack that it runs on.

``apply`` runs when ``dts`` is imported, before anything imports MMSegmentation. Each shim looks
first whether it is needed, so that both supported stacks (mmengine + mmcv or mmcv-lite +
mmsegmentation, and the maintained fork ``onedl-*`` with the same import names) work.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.version import Version

TRUST_VARIABLE = 'DTS_TRUST_CHECKPOINT'
MINIMUM_TORCH = '2.4'
# mmsegmentation 1.2.2 asserts mmcv < 2.2.0 when it is imported; the fork dropped the assertion.
MMCV_LIMIT = '2.2.0'


def apply() -> None:
    """Check the stack and install the shims it needs; calling it again changes nothing.

    Raises:
        ImportError: if packages are missing, doubled or too old, with the command that helps.
    """
    check_stack(installed_versions())
    # albumentations asks its server for a newer release whenever it is imported.
    os.environ.setdefault('NO_ALBUMENTATIONS_UPDATE', '1')
    install_ops_placeholder()
    register_safe_loader()


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that make up the stack.

    Returns:
        Distribution name -> version, for those that are installed.
    """
    names = (
        'torch',
        'mmengine',
        'mmcv',
        'mmcv-lite',
        'mmsegmentation',
        'onedl-mmengine',
        'onedl-mmcv',
        'onedl-mmsegmentation',
        'setuptools',
    )
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def check_stack(found: Mapping[str, str]) -> None:
    """Refuse combinations of packages that fail later in ways that are hard to read.

    Args:
        found: distribution name -> version.

    Raises:
        ImportError: with what is wrong and the command that puts it right.
    """
    official = [name for name in ('mmengine', 'mmsegmentation') if name in found]
    fork = [name for name in found if name.startswith('onedl-')]
    if 'torch' not in found or Version(found['torch']) < Version(MINIMUM_TORCH):
        raise ImportError(
            f'dts needs torch >= {MINIMUM_TORCH}, found {found.get("torch", "none")}: install it '
            'for your device as pytorch.org says'
        )
    if official and fork:
        raise ImportError(
            f'{official} and {fork} write into the same import folders: create a new environment '
            'and install one of the two stacks'
        )
    if 'mmcv' in found and 'mmcv-lite' in found:
        raise ImportError(
            'mmcv and mmcv-lite are both installed and overwrite each other: run '
            '"pip uninstall mmcv mmcv-lite", then install one of them'
        )
    needed = (
        ('onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation')
        if fork
        else ('mmengine', 'mmcv', 'mmsegmentation')
    )
    missing = [name for name in needed if name not in found]
    if missing == ['mmcv'] and 'mmcv-lite' in found:
        missing = []
    if missing:
        raise ImportError(
            f'{", ".join(missing)} is not installed: run "pip install dts[lite]", or, for compiled '
            'operations, install mmcv 2.1.0 beside dts'
        )
    mmcv = found.get('mmcv') or found.get('mmcv-lite')
    if not fork and mmcv is not None and Version(mmcv) >= Version(MMCV_LIMIT):
        raise ImportError(
            f'mmsegmentation refuses mmcv {mmcv} (it wants < {MMCV_LIMIT}): run '
            '"pip install mmcv-lite==2.1.0" (or mmcv==2.1.0)'
        )


class _MissingOps(ModuleType):
    """Stands in for ``mmcv._ext``: importable, and clear about what is missing when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing_operation(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(
                f'the compiled operation {name} needs the full mmcv, this environment has '
                'mmcv-lite: build mmcv 2.1.0 from source, or choose a model without it'
            )

        return missing_operation


def install_ops_placeholder() -> None:
    """Make MMSegmentation importable beside mmcv-lite.

    It imports compiled operations in four places whether a model uses them or not. Without a
    loader in its spec the placeholder does not count as installed for ``mmcv_full_available``.
    """
    name = 'mmcv._ext'
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    placeholder = _MissingOps(name)
    placeholder.__spec__ = ModuleSpec(name, loader=None)
    sys.modules[name] = placeholder


def has_compiled_ops() -> bool:
    """Return whether mmcv has its compiled operations.

    Returns:
        False beside mmcv-lite.
    """
    import mmcv.ops  # noqa: F401 PLC0415 - late: the placeholder must be in place

    return not isinstance(sys.modules.get('mmcv._ext'), _MissingOps)


def register_safe_loader() -> None:
    """Let MMEngine read local checkpoint files without running code that they contain."""
    from mmengine.runner import CheckpointLoader  # noqa: PLC0415 - import is slow; once is enough

    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a checkpoint file with ``weights_only=True``.

    Args:
        filename: path of the file.
        map_location: as in ``torch.load``.

    Returns:
        The content.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or holds Python objects and is not declared trusted by
            the environment variable ``DTS_TRUST_CHECKPOINT=1``. Nothing in it is executed.
    """
    import torch  # noqa: PLC0415 - keeps the import of this module quick

    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint at {path}: check the path')
    trusted = os.environ.get(TRUST_VARIABLE) == '1'
    try:
        return torch.load(path, map_location=map_location, weights_only=not trusted)
    except pickle.UnpicklingError as error:
        if 'weights_only' not in str(error).lower() and 'Unsupported' not in str(error):
            raise ValueError(_damaged(path, error)) from error
        raise ValueError(
            f'{path} holds pickled Python objects besides tensors; it was not read and nothing in '
            f'it was executed. If you trust where it comes from, set {TRUST_VARIABLE}=1 and run '
            f'again. First object met: {str(error).strip().splitlines()[-1][:200]}'
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise ValueError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    """Say that a file is no readable checkpoint."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return (
        f'{path} ({path.stat().st_size} bytes) is no readable checkpoint, it is damaged or '
        f'incomplete ({reason}): copy or download it again, or resume from an older file'
    )


def init_cpu_process_group(launcher: str) -> None:
    """Join a gloo process group before the Runner is built, on machines without a GPU.

    MMEngine's own initialisation selects a CUDA device first; it does nothing when a group exists.

    Args:
        launcher: ``pytorch`` (``torchrun``) or ``slurm``, ``mpi``; the process's rank is read from
            the environment that the launcher sets.

    Raises:
        ValueError: if the environment does not hold rank and size.
    """
    import torch.distributed as dist  # noqa: PLC0415 - only processes of a group need it

    if dist.is_initialized():
        return
    sources = {
        'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
        'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
        'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
    }
    missing = [name for name in sources[launcher] if name not in os.environ]
    if missing:
        raise ValueError(
            f'--launcher {launcher} needs the environment variables {missing}: start the processes '
            'by tools/dist_train.sh or tools/slurm_train.sh'
        )
    for target, source in zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), sources[launcher], strict=True):
        os.environ[target] = os.environ[source]
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29500')
    dist.init_process_group('gloo')
