"""What the C library does with freed memory."""

from __future__ import annotations

import ctypes

import torch

# Parameters of mallopt(3).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, where networks run on the CPU.

    glibc hands large freed tensors back to the kernel, which fills their pages with zeros at the
    next step; a training step of EfficientNet-Lite0 touches some 60 000 new pages so, a seventh of
    its time. The process then stays at its peak until it ends.

    Returns:
        Whether anything was changed; False beside a GPU, where tensors are not on the host, and
        where the C library is another one.
    """
    if torch.cuda.is_available():
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
