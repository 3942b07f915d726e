"""Reading configs, and where a config keeps its segmentor and the files of its teachers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dts.typing import ConfigType

DATA_ROOT = 'DTS_DATA_ROOT'


def load_config(file: str | Path) -> Config:
    """Read a config file whose text is never formatted.

    MMEngine formats the text at start and with every checkpoint, which takes seconds; 0.10.7 drops
    ``format_python_code=False`` of files in the old style.

    Args:
        file: the file.
    """
    cfg = Config.fromfile(file)
    object.__setattr__(cfg, '_format_python_code', False)
    return cfg


def student_config(model: ConfigType) -> ConfigType:
    """Return the config of the segmentor.

    Args:
        model: config of a method (``student``), of a method over a host (``host.student``), or of a
            segmentor itself.
    """
    if 'host' in model:
        return student_config(model['host'])
    student: ConfigType = model.get('student', model)
    return student


def set_teacher(config: Config, role: str, files: tuple[Path, Path], where: str) -> None:
    """Put the files of a trained network where a hook has those of its teacher.

    Args:
        config: of the student, changed in place.
        role: name of the teacher in ``dts.FrozenTeacherHook``, ``teacher`` in
            ``dts.LabelAssistedTeacherHook``.
        files: config and checkpoint of the teacher.
        where: what asks for it, named in the error.

    Raises:
        ValueError: if no hook knows such a teacher.
    """
    known: dict[str, Any] = {}
    for hook in config.get('custom_hooks') or []:
        known.update(hook.get('teachers') or {})
        # dts.LabelAssistedTeacherHook names the files of the teacher that sees labels itself.
        if {'config', 'checkpoint'} <= set(hook):
            known['teacher'] = hook
    if role not in known:
        raise ValueError(
            f'{where}: its config has no teacher {role!r}, the hooks know {sorted(known)}: name '
            'one of them in teachers, or add dts.FrozenTeacherHook to custom_hooks'
        )
    known[role].update(config=str(files[0]), checkpoint=str(files[1]))


@contextmanager
def default_data_root() -> Iterator[None]:
    """Let configs be read as if the data were in their default place.

    Yields:
        Nothing.
    """
    data_root = os.environ.pop(DATA_ROOT, None)
    try:
        yield
    finally:
        if data_root is not None:
            os.environ[DATA_ROOT] = data_root
