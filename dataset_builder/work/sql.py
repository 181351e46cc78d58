"""DuckDB as every stage uses it: connections, literals, tables over Parquet files."""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa

from dataset_builder.work.layout import Layout


def quote(text: Path | str) -> str:
    """A text or path as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def parquet(files: Iterable[Path], schema: pa.Schema) -> str:
    """SQL table expression over these Parquet files; an empty table of the schema without any."""
    names = sorted(str(file) for file in files)
    if not names:
        return f"(SELECT {nulls(schema)} WHERE false)"
    return f"read_parquet([{', '.join(map(quote, names))}], hive_partitioning=false)"


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
        f"SET temp_directory={quote(spill)}; SET preserve_insertion_order=false; "
        "SET TimeZone='UTC'"
    )
    return con


def sql_list(values: tuple[str, ...] | list[str]) -> str:
    """The texts as an SQL list for IN; an empty list matches nothing."""
    return "(" + ", ".join(quote(value) for value in values) + ")" if values else "(NULL)"
