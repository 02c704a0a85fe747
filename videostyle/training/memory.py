"""How the process treats memory while it trains on a CPU."""

from __future__ import annotations

import ctypes
import sys

# Of mallopt(3), in malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Keep for the next update what one update frees, with glibc.

    Each needs the same large maps again. By default they go back to the system every time, which
    clears every page anew: an eighth of the time of `add-style`, for 8 % less memory.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # not musl
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)
