"""One member's content by reference: a stretch of a file with its size and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
        left = self.size
        with Path(self.path).open("rb") as file:
            file.seek(self.offset)
            while left and (block := file.read(min(COPY_BYTES, left))):
                left -= len(block)
                yield block
        if left:
            raise OSError(f"{self.path} lost {left} bytes while it was packed; run again")


EMPTY = Blob(0, hashlib.sha256().hexdigest(), None, 0)
