"""Fixtures that every test may use."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import dts  # noqa: F401 - shims must run before anything imports mmseg
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

sys.path.insert(0, str(Path(__file__).parent))

import dts.all  # noqa: E402


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Let every test start with the same random numbers and in the scope of the configs."""
    init_default_scope('mmseg')
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def data_root() -> Path:
    """Folder of the real data sets, which users of the package do not have."""
    root = os.environ.get('DTS_DATA_ROOT')
    if not root or not Path(root).is_dir():
        pytest.skip('DTS_DATA_ROOT names no folder: tests on real images need the data sets')
    return Path(root).resolve()


@pytest.fixture(scope='session')
def repository() -> Path:
    """Root of the repository."""
    return Path(__file__).parents[1]
