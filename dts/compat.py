"""Everything that this package changes in the stack that it runs on.

``apply`` runs when ``dts`` is imported, before anything imports MMSegmentation. Each shim looks
first whether it is needed, so that both stacks of ``dts.stack`` work.
"""

from __future__ import annotations

import os
import pickle
import pickletools
import re
import sys
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from dts.stack import check_stack, has_compiled_ops, installed_versions, is_fork

TRUST_VARIABLE = 'DTS_TRUST_CHECKPOINT'
# Where a launcher says which process this is, and of how many.
RANK_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}


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


class _MissingOps(ModuleType):
    """Stands in for ``mmcv._ext``: importable, and clear about what is missing when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing_operation(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(
                f'the compiled operation {name} needs the full mmcv, this environment has none '
                'of its operations: build mmcv 2.1.0 from source instead of mmcv-lite, or choose '
                'a model that does without'
            )

        return missing_operation


def install_ops_placeholder() -> None:
    """Make MMSegmentation importable beside an mmcv without compiled operations.

    It imports them in four places whether a model uses them or not; the fork does not, and would
    take the placeholder for the real thing. Without a loader in its spec the placeholder does not
    count as installed for ``mmcv_full_available`` of MMEngine.
    """
    name = 'mmcv._ext'
    if name in sys.modules or has_compiled_ops() or is_fork(installed_versions()):
        return
    placeholder = _MissingOps(name)
    placeholder.__spec__ = ModuleSpec(name, loader=None)
    sys.modules[name] = placeholder


def register_safe_loader() -> None:
    """Let MMEngine read local checkpoint files without running code that they contain."""
    from mmengine.runner import CheckpointLoader  # noqa: PLC0415 - after the stack was checked

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
    import torch  # noqa: PLC0415 - after the stack was checked

    from dts.checkpoints.find import find_torn_part  # noqa: PLC0415

    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint at {path}: check the path')
    # torch reads numbers with wrong bits without a word.
    if zipfile.is_zipfile(path) and (damage := find_torn_part(path)):
        raise ValueError(_damaged(path, damage))
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # damaged bytes raise anything
        if not _holds_objects(path, error):
            raise ValueError(_damaged(path, f'{type(error).__name__}: {error}')) from error
        if os.environ.get(TRUST_VARIABLE) != '1':
            raise ValueError(_untrusted(path, error)) from error
    return torch.load(path, map_location=map_location, weights_only=False)


def _holds_objects(path: Path, error: Exception) -> bool:
    """Return whether a file was refused for what is pickled in it, and not for being damaged."""
    if not isinstance(error, pickle.UnpicklingError):
        return False
    if zipfile.is_zipfile(path):
        return 'global' in str(error).lower()
    try:
        with path.open('rb') as file:
            for _ in range(5):  # before 1.6 torch wrote five pickles, then the numbers
                if file.peek(1):
                    for _ in pickletools.genops(file):
                        pass
    except Exception:  # noqa: BLE001 - damaged bytes raise anything
        return False
    return True


def _untrusted(path: Path, error: Exception) -> str:
    """Say that a file asks for objects that only a trusted source may bring."""
    name = re.search(r'GLOBAL:? (?:GLOBAL )?([\w.]+)', str(error), flags=re.IGNORECASE)
    return (
        f'{path} holds pickled Python objects besides tensors'
        + (f' ({name[1]})' if name else '')
        + '; it was not read and nothing in it was executed. If you trust where it comes from, set '
        f'the environment variable {TRUST_VARIABLE}=1 and run again'
    )


def _damaged(path: Path, reason: str) -> str:
    """Say that a file is no readable checkpoint."""
    reason = reason.strip().splitlines()[0][:120]
    return (
        f'{path} ({path.stat().st_size} bytes) is no readable checkpoint, it is damaged or '
        f'incomplete ({reason}): copy or download it again, or resume from '
        'an older file'
    )


def init_cpu_process_group(launcher: str) -> None:
    """Join a gloo process group before the Runner is built, on machines without a GPU.

    MMEngine's own initialisation selects a CUDA device first; it does nothing when a group exists.
    The Runner must then wrap the model with ``device_ids=None``, see
    ``dts.launch.start_cpu_processes``.

    Args:
        launcher: ``pytorch`` (``torchrun``), ``slurm`` or ``mpi``; rank and size are read from the
            environment that the launcher sets.

    Raises:
        ValueError: if the launcher is unknown or the environment does not hold what is needed.
    """
    import torch.distributed as dist  # noqa: PLC0415 - only processes of a group need it

    if dist.is_initialized():
        return
    if launcher not in RANK_VARIABLES:
        raise ValueError(f'unknown launcher {launcher!r}: choose one of {sorted(RANK_VARIABLES)}')
    sources = RANK_VARIABLES[launcher]
    missing = [name for name in sources if name not in os.environ]
    if int(os.environ.get('SLURM_NNODES', '1')) > 1 and 'MASTER_ADDR' not in os.environ:
        missing.append('MASTER_ADDR')
    if missing:
        raise ValueError(
            f'--launcher {launcher} needs the environment variables {", ".join(missing)}: start '
            'the processes by tools/dist_train.sh or tools/slurm_train.sh'
        )
    for target, source in zip(RANK_VARIABLES['pytorch'], sources, strict=True):
        os.environ[target] = os.environ[source]
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29500')
    dist.init_process_group('gloo')
