"""Freed memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from dts.host_memory import keep_freed_memory

# Page faults of a tensor of 64 MiB after one of 96 MiB was freed.
FAULTS = """
import resource, sys, torch
from dts.host_memory import keep_freed_memory
if sys.argv[1] == 'keep':
    assert keep_freed_memory()
torch.ones(3 * 2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(what: str) -> int:
    command = [sys.executable, '-c', FAULTS, what]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='page faults are counted on Linux')
@pytest.mark.skipif(torch.cuda.is_available(), reason='beside a GPU nothing is changed')
def test_a_tensor_takes_the_pages_of_a_freed_one() -> None:
    assert faults('keep') * 10 < faults('give back')


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setattr('ctypes.CDLL', lambda name: object())
    assert not keep_freed_memory()


def test_nothing_is_changed_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: None) -> None:
        raise AssertionError('the C library was asked')

    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setattr('ctypes.CDLL', refuse)
    assert not keep_freed_memory()
