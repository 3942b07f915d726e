"""Freed memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from dts.host_memory import keep_freed_memory

# Page faults of 64 MiB that were freed before: of a block of their size, and of a tensor.
FAULTS = """
import ctypes, resource, sys, torch
from dts.host_memory import keep_freed_memory
if sys.argv[1] == 'keep':
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def touch_block():
    block = libc.malloc(2**26)
    ctypes.memset(block, 1, 2**26)
    libc.free(block)
def count(function):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    function()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
touch_block()
print(count(touch_block))
torch.ones(3 * 2**23)
print(count(lambda: torch.ones(2**24)))
"""


def faults(what: str) -> list[int]:
    command = [sys.executable, '-c', FAULTS, what]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [int(count) for count in output.split()]


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='page faults are counted on Linux')
@pytest.mark.skipif(torch.cuda.is_available(), reason='beside a GPU nothing is changed')
def test_freed_pages_are_taken_again() -> None:
    for kept, given_back in zip(faults('keep'), faults('give back'), strict=True):
        assert kept * 10 < given_back


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
