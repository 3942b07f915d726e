"""Fixtures of the zoo."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from servers import Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on this machine."""
    with serve() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no proxy of the environment stand between."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
