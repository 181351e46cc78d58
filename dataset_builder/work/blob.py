"""One member's content by reference: a stretch of a file with its size and hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

COPY_BYTES = 1 << 20
BLOB = pa.struct(
    [
        ("size", pa.int64()),
        ("sha256", pa.string()),
        ("path", pa.string()),
        ("offset", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Blob:
    """`size` bytes of the file at `path` from `offset`; an empty member has no path."""

    size: int
    sha256: str
    path: str | None
    offset: int

    def blocks(self) -> Iterator[bytes]:
        """The content; raises OSError where the file is shorter than it was."""
        if self.path is None:
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        at, end = self.offset, self.offset + self.size
        try:
            while at < end and (block := os.pread(descriptor, min(COPY_BYTES, end - at), at)):
                at += len(block)
                yield block
        finally:
            os.close(descriptor)
        if at < end:
            raise OSError(f"{self.path} lost {end - at} bytes while it was packed; run again")


EMPTY = Blob(0, hashlib.sha256().hexdigest(), None, 0)
