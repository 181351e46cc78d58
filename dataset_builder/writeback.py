"""Tell Linux to begin writing a file's finished part to disk, so that fsync has little left."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin, do not wait
STRETCH = 32 << 20


@lru_cache(maxsize=1)
def _system_call() -> Any:
    """libc's sync_file_range, or None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call


class Writeback:
    """Follows the growth of an open file; only ever a hint, so failures mean nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = 0

    def grown_to(self, size: int) -> None:
        """Begin writing what has been added, a stretch at a time."""
        call = _system_call()
        if call is not None and size - self._begun >= STRETCH:
            call(self._descriptor, self._begun, size - self._begun, WRITE)
            self._begun = size
