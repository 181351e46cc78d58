"""Files that exist whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.work.sql import literal

TMP = ".tmp"


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


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Force a file or folder onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished temporary file or folder its real name, durably."""
    if temporary.is_dir():
        for file in temporary.rglob("*"):
            if file.is_file():
                sync(file)
        if path.exists():
            shutil.rmtree(path)
    else:
        sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def temporary(path: Path) -> Path:
    """The temporary name of a file or folder, its parent made, leftovers of a crash removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(path.name + TMP)
    if name.is_dir():
        shutil.rmtree(name)
    with suppress(FileNotFoundError):
        name.unlink()
    return name


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    name = temporary(path)
    name.write_text(text, encoding="utf-8", newline="\n")
    publish(name, path)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file whole, the same bytes for the same rows."""
    name = temporary(path)
    pq.write_table(table, name, compression="zstd", row_group_size=1 << 17)
    publish(name, path)


def copy(con: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    """Write a query's rows as one Parquet file, whole."""
    name = temporary(path)
    con.execute(f"COPY ({select}) TO {literal(name)} (FORMAT parquet, COMPRESSION zstd)")
    publish(name, path)
