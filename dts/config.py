"""Reading configs, and where a config keeps the segmentor that it trains."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from dts.typing import ConfigType


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
