"""Where a config of a model keeps the segmentor that it trains."""

from __future__ import annotations

from dts.typing import ConfigType


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
