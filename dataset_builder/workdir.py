"""Where a build keeps its files, and the one way files come into being: whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

TMP = ".tmp"


@dataclass(frozen=True)
class Layout:
    """Paths of one build folder."""

    root: Path

    @property
    def work(self) -> Path:
        """Intermediate files of every stage."""
        return self.root / "work"

    @property
    def text(self) -> Path:
        """What the media stage reads: posts.parquet and comments.parquet."""
        return self.work / "text"

    @property
    def parts(self) -> Path:
        """Partitions and verdicts of the text stage; removed after success."""
        return self.work / "parts"

    @property
    def ledger(self) -> Path:
        """Ledger parts, Parquet."""
        return self.root / "ledger"

    @property
    def quarantine(self) -> Path:
        """Lines set apart, JSON lines per input."""
        return self.root / "quarantine"

    @property
    def logs(self) -> Path:
        """The executor's logs and completion markers."""
        return self.work / "logs"

    @property
    def key_file(self) -> Path:
        """Secret of the author hashes; stays here, never in the release."""
        return self.work / "author.key"


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


def state_text(state: Mapping[str, Any]) -> str:
    """The content of work/state.json, by which a build knows its own files again."""
    return json.dumps(state, indent=1, sort_keys=True) + "\n"


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


def literal(path: Path | str) -> str:
    """A path as an SQL literal."""
    return "'" + str(path).replace("'", "''") + "'"


def parquet(files: Iterable[Path], schema: pa.Schema) -> str:
    """SQL table expression over these Parquet files; an empty table of the schema without any."""
    names = sorted(str(file) for file in files)
    if not names:
        return f"(SELECT {nulls(schema)} WHERE false)"
    return f"read_parquet([{', '.join(map(literal, names))}], hive_partitioning=false)"


def nulls(schema: pa.Schema) -> str:
    """SQL: one typed null per column."""
    return ", ".join(f'NULL::{sql_type(field.type)} AS "{field.name}"' for field in schema)


def sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type used in our schemas."""
    if pa.types.is_list(kind):
        return sql_type(kind.value_type) + "[]"
    if pa.types.is_struct(kind):
        inner = ", ".join(f'"{field.name}" {sql_type(field.type)}' for field in kind)
        return f"STRUCT({inner})"
    names = {
        pa.string(): "VARCHAR",
        pa.int64(): "BIGINT",
        pa.int32(): "INTEGER",
        pa.float64(): "DOUBLE",
        pa.bool_(): "BOOLEAN",
    }
    return names[kind]


def connect(layout: Layout, memory_mb: int, threads: int, name: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection that spills into the build's own folder."""
    spill = layout.work / "spill" / name
    spill.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute(
        f"SET threads={threads}; SET memory_limit='{memory_mb}MB'; SET enable_progress_bar=false; "
        f"SET temp_directory={literal(spill)}; SET preserve_insertion_order=false; "
        "SET TimeZone='UTC'"
    )
    return con
