"""Files and folders that exist whole or not at all.

Made under a name of this process beside the real one, forced onto the disk, renamed, and the rename
forced onto the disk as well: what was said to be there is there after a power cut.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.work.sql import quote

UNFINISHED = ".partial"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A free name for a file or folder, which becomes `path` where the block ends without error.

    The folder above `path` is made. Nothing is left of a block that fails; a folder that had the
    name before is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    _remove(name)
    try:
        yield name
        _sync_all(name)
        if path.is_dir():
            shutil.rmtree(path)
        name.replace(path)
        _sync(path.parent)
    except BaseException:
        _remove(name)
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """The same as an open binary file."""
    with whole(path) as name, name.open("wb") as file:
        yield file


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` at `path`."""
    with whole_file(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Put a UTF-8 text at `path`."""
    write_bytes(path, text.encode("utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file, the same bytes for the same rows."""
    with whole(path) as name:
        pq.write_table(table, name, compression="zstd", row_group_size=1 << 17)


def copy(con: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    """Write a query's rows as one Parquet file."""
    with whole(path) as name:
        con.execute(f"COPY ({select}) TO {quote(name)} (FORMAT parquet, COMPRESSION zstd)")


def sweep(folder: Path) -> None:
    """Remove what killed processes left behind under `folder`; no writer may be at work there."""
    for path in list(folder.rglob(f".*{UNFINISHED}")):
        _remove(path)


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_all(path: Path) -> None:
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            _sync(file)


def _sync(path: Path) -> None:
    """Force a file or folder onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
