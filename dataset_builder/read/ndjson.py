"""Newline-delimited JSON (or Parquet) to Arrow tables of text columns, bad lines set apart.

DuckDB parses blocks of whole lines; it answers a line it cannot read with a row of nulls, and only
those lines go through the standard library (which also takes lone surrogates) or to quarantine.
Everything stays text here, because the dumps changed field types over the years.
"""

import hashlib
import json
import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset_builder.errors import DamagedInput
from dataset_builder.read.compressed import Budget, decompressed
from dataset_builder.read.streams import Block, line_blocks, without_bom
from dataset_builder.work.ahead import ahead, ordered
from dataset_builder.work.sql import quote

PARQUET_MAGIC = b"PAR1"
OBJECT_BYTES = 16 << 20  # DuckDB's own limit of one JSON object
BATCH_ROWS = 65_536


@dataclass(frozen=True)
class BadLine:
    """A line set apart: where it stands and why, never its text (it may hold names)."""

    line: int
    bytes: int
    sha256: str
    error: str


@dataclass
class Tally:
    """What one file held: rows (or whole records) read, lines set apart, bytes read so far."""

    rows: int = 0
    documents: int = 0  # records that hold any number of rows
    bad: list[BadLine] = field(default_factory=list)
    used: list[int] = field(default_factory=list)

    def add(self, line: int, data: bytes, error: str) -> None:
        """Set one line apart."""
        self.bad.append(BadLine(line, len(data), hashlib.sha256(data).hexdigest(), error))


def is_parquet(path: Path) -> bool:
    """True when the file starts as a Parquet file does."""
    with path.open("rb") as file:
        return file.read(4) == PARQUET_MAGIC


def tables(
    path: Path,
    columns: Sequence[str],
    key: str,
    budget: Budget,
    tally: Tally,
    threads: int = 1,
) -> Iterator[pa.Table]:
    """Tables of the named text columns, one row per valid record (its `key` is not null).

    Bad lines are added to `tally`. This many threads parse. Raises DamagedInput for a file that
    cannot be trusted to its end.
    """
    if is_parquet(path):
        parts = _parquet(path, columns, key, tally)
    else:
        parts = _json(path, columns, key, budget, tally, threads)
    for table in parts:
        tally.rows += table.num_rows
        yield table


def _json(
    path: Path, columns: Sequence[str], key: str, budget: Budget, tally: Tally, threads: int
) -> Iterator[pa.Table]:
    schema = pa.schema([(name, pa.string()) for name in columns])
    chunks = without_bom(decompressed(path, budget, tally.used))
    with ExitStack() as stack:
        idle: queue.SimpleQueue[duckdb.DuckDBPyConnection] = queue.SimpleQueue()
        for _ in range(threads):
            con = stack.enter_context(duckdb.connect())
            con.execute("SET threads=1; SET enable_progress_bar=false")
            idle.put(con)

        def parse(block: Block) -> tuple[pa.Table, list[BadLine]]:
            con = idle.get()
            try:
                with closing(block):
                    return _rows(con, block, schema, key)
            finally:
                idle.put(con)

        for table, bad in ordered(parse, ahead(line_blocks(chunks, budget.line)), threads):
            tally.bad += bad
            yield table


def _rows(
    con: duckdb.DuckDBPyConnection, block: Block, schema: pa.Schema, key: str
) -> tuple[pa.Table, list[BadLine]]:
    """Rows of a block, and its lines that are none."""
    tally = Tally()
    if block.too_long:
        tally.add(block.first, b"", f"longer than build.max_line_mb ({block.too_long} B)")
        return schema.empty_table(), tally.bad
    types = dict.fromkeys(schema.names, "VARCHAR")
    table = con.sql(
        f"SELECT * FROM read_json({quote(block.path)}, format='newline_delimited', "
        f"compression='none', columns={types!r}, ignore_errors=true, "
        f"maximum_object_size={max(OBJECT_BYTES, block.size + 1)})"
    ).to_arrow_table()
    bad = pc.is_null(table[key])
    if table.num_rows and pc.any(bad).as_py():
        again = _repair(block, table, bad, schema, key, tally)
        table = pa.concat_tables([table.filter(pc.invert(bad)), again])
    return table, tally.bad


def _repair(
    block: Block, table: pa.Table, bad: pa.ChunkedArray, schema: pa.Schema, key: str, tally: Tally
) -> pa.Table:
    """Read again, slowly, the lines that gave null rows; those still unreadable are tallied."""
    lines = [
        (n, text) for n, text in enumerate(block.data.split(b"\n"), block.first) if text.strip()
    ]
    if len(lines) != table.num_rows:
        raise DamagedInput(
            f"line {block.first:,} ff.: the block has {len(lines)} lines but gave {table.num_rows} "
            "rows; this is a defect of the reader, please report the file"
        )
    rows = []
    for index in pc.indices_nonzero(bad).to_pylist():
        number, text = lines[index]
        try:
            rows.append(text_row(loads(text), schema.names, key))
        except ValueError as error:
            tally.add(number, text, str(error))
    return pa.Table.from_pylist(rows, schema=schema)


def loads(text: bytes) -> dict[str, Any]:
    """One JSON object; ValueError says what is wrong with the line."""
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at character {error.pos}: {error.msg}") from error
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} where an object was expected")
    return value


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # as DuckDB's reader does, so that a repeated key means one thing
    return dict(reversed(pairs))


_DECODER = json.JSONDecoder(object_pairs_hook=_first_wins)


def text_row(record: Mapping[str, Any], columns: Sequence[str], key: str) -> dict[str, str | None]:
    """The record's columns as text, as DuckDB would give them; ValueError without its key."""
    row = {name: as_text(record.get(name)) for name in columns}
    if row[key] is None:
        raise ValueError(f"a record without {key!r}")
    return row


def as_text(value: Any) -> str | None:
    """Text of a JSON value; lone surrogates become U+FFFD, because no UTF-8 file can hold them."""
    if value is None:
        return None
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return mend(value)


def mend(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD and pairs joined."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _parquet(path: Path, columns: Sequence[str], key: str, tally: Tally) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file, duckdb.connect() as con:
            con.execute("SET threads=1; SET enable_progress_bar=false")
            present = [name for name in columns if name in file.schema_arrow.names]
            select = ", ".join(
                _as_varchar(name, file.schema_arrow) if name in present else f'NULL AS "{name}"'
                for name in columns
            )
            first = 1
            # read batch by batch: a run-length column may stand for a billion rows
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=present):
                con.register("batch", batch)
                table = con.sql(f"SELECT {select} FROM batch").to_arrow_table()
                table = table.cast(pa.schema([(name, pa.string()) for name in columns]))
                bad = pc.is_null(table[key])
                for index in pc.indices_nonzero(bad).to_pylist():
                    tally.add(first + index, b"", f"a record without {key!r}")
                first += batch.num_rows
                yield table.filter(pc.invert(bad))
    except (pa.ArrowException, OSError) as error:
        raise damaged_parquet(path, error) from error


def damaged_parquet(path: Path, error: Exception) -> DamagedInput:
    """What to tell of a Parquet file that Arrow cannot read."""
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DamagedInput(
        f"{path}: damaged Parquet file ({what}); fetch it again or compare its checksum"
    )


def _as_varchar(name: str, schema: pa.Schema) -> str:
    kind = schema.field(name).type
    if pa.types.is_nested(kind):
        return f'to_json("{name}")::VARCHAR AS "{name}"'
    if pa.types.is_timestamp(kind):
        return f'epoch("{name}")::BIGINT::VARCHAR AS "{name}"'
    return f'"{name}"::VARCHAR AS "{name}"'
