"""A config that stock MMSegmentation runs a trained segmentor by."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from dts.config import student_config

_PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'PackSegInputs'}]


def stock_config(cfg: Config) -> Config:
    """Return model and test pipeline, all that ``mmseg.apis`` asks a config for.

    Args:
        cfg: a config of a method or of a segmentor.

    Returns:
        A config that downloads nothing. It imports ``dts`` only if it names something of ours, such
        as a backbone that MMSegmentation lacks.
    """
    parts: dict[str, Any] = {
        'default_scope': 'mmseg',
        'model': _without_pretrained(student_config(cfg.model)),
        'test_pipeline': cfg.get('test_pipeline', _PIPELINE),
    }
    if _names_ours(parts):
        parts['custom_imports'] = {'imports': ['dts.all'], 'allow_failed_imports': False}
    return Config(parts, format_python_code=False)


def _without_pretrained(node: Any) -> Any:
    """Return a config node that starts from no other weights."""
    if isinstance(node, dict):
        initial = ('init_cfg', 'pretrained')
        return {k: None if k in initial else _without_pretrained(v) for k, v in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_without_pretrained(value) for value in node)
    return node


def _names_ours(node: Any) -> bool:
    """Return whether a config node names a type of this package."""
    if isinstance(node, dict):
        return str(node.get('type')).startswith('dts.') or any(map(_names_ours, node.values()))
    return isinstance(node, list | tuple) and any(map(_names_ours, node))
