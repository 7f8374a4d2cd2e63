"""The memory a process has once taken stays its own: on CPU the allocator, not the arithmetic, was the brake.

A training step frees and takes gigabytes of activations in pieces of megabytes. By default glibc maps each such piece
from the kernel and hands it back when it is freed, so every step pays again for fresh pages, zeroed one by one. Told
not to, it serves the next step from what the last one left. The peak stays what it was; between steps the process
keeps it. Elsewhere than on glibc, and for tensors on a GPU, there is nothing to do. It knows no tensors.
"""

import ctypes
import platform

__all__ = ["keep_heap"]

# From malloc.h; these numbers are part of glibc's interface.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_OPTIONS = ((_TRIM_THRESHOLD, -1), (_MMAP_MAX, 0))


def keep_heap() -> bool:
    """Never hand memory back to the system and never map single pieces; whether the allocator could be told so."""
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(ctypes.c_int(option), ctypes.c_int(value)) == 1 for option, value in _OPTIONS)
