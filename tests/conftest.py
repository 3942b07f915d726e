"""Fixtures that every test may use."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

import dts.all  # noqa: F401 - registers what configs name, after the shims of dts

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Let every test start with the same random numbers and in the scope of the configs."""
    init_default_scope('mmseg')
    random.seed(0)
    np.random.seed(0)
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
