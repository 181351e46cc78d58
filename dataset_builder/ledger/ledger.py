"""The ledger: one row per input post, comment and media item, saying where it ended.

Parts are Parquet files in `ledger/`; each task writes its own and replaces it when it runs again.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dataset_builder.errors import BuildError
from dataset_builder.ledger.refusal import Refusal
from dataset_builder.schema import LEDGER
from dataset_builder.work.layout import Layout
from dataset_builder.work.sql import parquet
from dataset_builder.work.whole_files import copy

COLUMNS = ", ".join(f'"{name}"' for name in LEDGER.names)
# so that a part is the same bytes whatever wrote it; what these leave equal is one row twice
ORDER = "id, kind, source, reason, value"


class LedgerWriter:
    """Gathers the rows of one task and writes them, sorted, as one part."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, layout: Layout, name: str, refusal: Refusal
    ) -> None:
        self.con = con
        self.path = layout.ledger / f"{name}.parquet"
        con.execute(
            "CREATE TABLE ledger (stage VARCHAR, kind VARCHAR, id VARCHAR, source VARCHAR, "
            "media_type VARCHAR, kept BOOLEAN, reason VARCHAR, value VARCHAR)"
        )
        self.tables = ["ledger"]
        self.refusal = refusal

    def add(self, select: str) -> None:
        """Add the rows of a query with LEDGER's columns."""
        # tables of their own: appending to one beyond a row group takes twice the time
        table = f"ledger_{len(self.tables)}"
        made = self.con.execute(f"CREATE TABLE {table} AS SELECT {COLUMNS} FROM ({select})")
        if made.fetchall() == [(0,)]:
            self.con.execute(f"DROP TABLE {table}")
        else:
            self.tables.append(table)

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows from Python."""
        self.con.register("ledger_rows", pa.Table.from_pylist(list(rows), schema=LEDGER))
        self.con.execute("INSERT INTO ledger BY NAME SELECT * FROM ledger_rows")
        self.con.unregister("ledger_rows")

    def close(self) -> None:
        """Write the part; an empty one too, so that a rerun never leaves an older part behind."""
        every = " UNION ALL ".join(f"SELECT {COLUMNS} FROM {table}" for table in self.tables)
        shown = self.refusal.hidden(f"({every})")
        rows = (
            "SELECT * REPLACE ("
            f"CASE WHEN reason = 'malformed' THEN id ELSE {_fit('id')} END AS id, "
            "CASE WHEN reason = 'no_post' OR starts_with(reason, 'post_dropped:') "
            f"THEN {_fit('value')} ELSE value END AS value) FROM {shown}"
        )
        copy(self.con, f"SELECT {COLUMNS} FROM ({rows}) ORDER BY {ORDER}", self.path)


def _fit(id: str) -> str:
    """SQL: an id; a digest of what only stands in its place, which may be a person's."""
    good = "'[0-9A-Za-z_.:-]{1,100}'"
    return f"CASE WHEN regexp_full_match({id}, {good}) THEN {id} ELSE 'unfit-' || " + (
        f"left(sha256({id}), 16) END"
    )


def has_ledger(root: Path) -> bool:
    """Whether the folder holds any part of a build's ledger."""
    return any(Layout(root).ledger.glob("*.parquet"))


def table(root: Path) -> str:
    """SQL table expression over every part of a build's ledger.

    Raises BuildError when the folder is no finished build.
    """
    files = sorted(Layout(root).ledger.glob("*.parquet"))
    if not files:
        raise BuildError(f"{root}: no ledger in it; expected a folder `blift build --out` wrote")
    return parquet(files, LEDGER)


def counts(root: Path) -> list[dict[str, Any]]:
    """Rows per kind, source, media type, stage and reason (null where kept)."""
    with duckdb.connect() as con:
        rows = con.sql(
            "SELECT kind, source, media_type, stage, kept, reason, count(*) AS items "
            f"FROM {table(root)} GROUP BY ALL ORDER BY ALL"
        ).to_arrow_table()
    return rows.to_pylist()
