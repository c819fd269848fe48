"""What the C allocator of a worker does with the memory of pictures that are no longer needed."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
MMAP_BYTES = 32 * 2**20  # a frame of 4K in single precision is larger: it goes back to the system at once
TRIM_BYTES = 64 * 2**20


def keep_freed() -> None:
    """Let this process keep up to `TRIM_BYTES` of freed memory for the next pictures.

    By default glibc takes the pages of every array of some megabytes from the kernel and gives them back with it, and clearing
    new pages costs as much as the arithmetic on them. Other C libraries are left as they are.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, MMAP_BYTES)
        library.mallopt(_TRIM_THRESHOLD, TRIM_BYTES)
