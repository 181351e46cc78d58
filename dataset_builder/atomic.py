"""Files that exist whole or not at all: written under a temporary name, flushed, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that gets the name `path` only when the block ends without an error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole or not at all."""
    with atomic_file(path) as file:
        file.write(data)


def sweep_partials(folder: Path) -> None:
    """Remove what killed runs left behind under `folder`."""
    for path in folder.rglob(".*.partial"):
        path.unlink(missing_ok=True)
