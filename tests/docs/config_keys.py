"""Whether a config has what an option sets."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from mmengine.config import Config
from mmengine.registry import VISBACKENDS

from dts.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    MODELS,
    OPTIM_WRAPPERS,
    TRANSFORMS,
)

REGISTRIES = (
    MODELS,
    DATASETS,
    DATA_SAMPLERS,
    HOOKS,
    LOOPS,
    OPTIM_WRAPPERS,
    TRANSFORMS,
    VISBACKENDS,
)

UNSET = object()  # an argument that the config leaves to its class: what is below it is unknown


def takes(node: Any, key: str) -> bool:
    """Whether a key is in a node of a config, or its class has such an argument."""
    if isinstance(node, list):
        return key.isdigit() and int(key) < len(node)
    if not isinstance(node, dict):
        return False
    if key in node:
        return True
    found = [registry.get(node['type']) for registry in REGISTRIES] if 'type' in node else []
    for base in (base for cls in found if cls is not None for base in cls.__mro__):
        parameters = inspect.signature(base.__init__).parameters
        if key in parameters:
            return True
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return False  # nothing is handed on to the class above
    return False


def unknown_keys(cfg: Config, options: dict[str, Any]) -> list[str]:
    """Return the options that name nothing of a config, types set by earlier options included."""
    root = copy.deepcopy(cfg._cfg_dict)
    unknown = []
    for option, value in options.items():
        node: Any = root
        keys = option.split('.')
        if keys[0] == 'default_hooks' and keys[2:] == ['type'] and HOOKS.get(value):
            root['default_hooks'].setdefault(keys[1], {'type': value})  # MMEngine runs any hook
        for key in keys:
            if node is UNSET:
                break
            if not takes(node, key):
                unknown.append(option)
                break
            parent, node = node, node[int(key)] if isinstance(node, list) else node.get(key, UNSET)
        else:
            if key == 'type':
                parent[key] = value
    return unknown
