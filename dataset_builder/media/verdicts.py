"""What the media stage knows of each post, on disk: one row per post, in the order of the posts.

Everything that grows with the number of posts lies in Parquet files under `work/finish/` and is
joined by DuckDB, which spills; memory holds what was dropped after judging, and no more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dataset_builder.settings import Settings
from dataset_builder.work.layout import Layout
from dataset_builder.work.sql import connect, quote
from dataset_builder.work.tables import BATCH

Drop = tuple[str, str]
TEXT = pa.string()
POST = [("id", TEXT), ("source", TEXT), ("media_type", TEXT), ("key", TEXT), ("split", TEXT)]
POST += [("group_key", TEXT), ("created", pa.int64())]
# a post and the file that was found for it, or why there is none
LOOKED_UP = pa.schema(
    [*POST, ("duration", pa.float64()), ("path", TEXT), ("missing", TEXT), ("missing_value", TEXT)]
)
# a file and what examination said of it; `bits` are its perceptual hashes
EXAMINED = pa.schema(
    [
        ("path", TEXT),
        ("sha256", TEXT),
        ("kind", TEXT),
        ("file_duration", pa.float64()),
        ("refused", TEXT),
        ("refused_value", TEXT),
        ("bits", pa.list_(pa.uint64())),
    ]
)
# a post, its file's own verdict (null: the file is good) and the post's (null: it is kept)
JUDGED = pa.schema(
    [
        *POST,
        ("path", TEXT),
        ("sha256", TEXT),
        ("bits", pa.list_(pa.uint64())),
        ("looked_up", pa.bool_()),
        ("file_reason", TEXT),
        ("file_value", TEXT),
        ("reason", TEXT),
        ("value", TEXT),
    ]
)
DROPS = pa.schema([("id", TEXT), ("reason", TEXT), ("value", TEXT)])
USABLE = "reason IS NULL AND sha256 IS NOT NULL"


class Verdicts:
    """The judged posts of one build, and what was dropped since (duplicates, NSFW media)."""

    def __init__(self, build_dir: Path, settings: Settings) -> None:
        self.layout, self.settings = Layout(build_dir), settings
        self.folder = self.layout.work / "finish"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.con = self.connection("finish")
        self.con.execute("CREATE TABLE later (id VARCHAR, reason VARCHAR, value VARCHAR)")

    @property
    def path(self) -> Path:
        """JUDGED, one row per post, sorted by id."""
        return self.folder / "judged.parquet"

    @property
    def splits(self) -> Path:
        """Id and split of every kept post (`media/splits.py`)."""
        return self.folder / "splits.parquet"

    def connection(self, name: str) -> duckdb.DuckDBPyConnection:
        """A connection within the memory a worker may have."""
        return connect(self.layout, self.settings.build.memory_mb, 1, name)

    def close(self) -> None:
        """Remove the intermediate files."""
        self.con.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.layout.work / "spill" / "finish", ignore_errors=True)

    def now(self) -> str:
        """SQL: the judged posts with later drops applied."""
        return (
            "(SELECT j.* REPLACE (coalesce(j.reason, l.reason) AS reason, "
            "CASE WHEN j.reason IS NULL THEN l.value ELSE j.value END AS value) "
            f"FROM read_parquet({quote(self.path)}) j LEFT JOIN later l USING (id))"
        )

    def drop(self, drops: Mapping[str, Drop]) -> None:
        """Drop posts after they were judged; the first reason of a post stays."""
        self.con.register("drops", drop_table(drops))
        self.con.execute(
            "INSERT INTO later SELECT * FROM drops WHERE id NOT IN (SELECT id FROM later)"
        )
        self.con.unregister("drops")

    def rows(self, select: str) -> Iterator[dict[str, Any]]:
        """Rows of a query, a batch in memory at a time."""
        for batch in self.con.sql(select).to_arrow_reader(BATCH):
            yield from batch.to_pylist()

    def of(self, ids: Iterable[str], columns: str) -> dict[str, dict[str, Any]]:
        """Rows of these posts by id."""
        return {row["id"]: row for row in self.where("id", ids, columns)}

    def where(
        self, name: str, values: Iterable[str], columns: str, condition: str = "true"
    ) -> list[dict[str, Any]]:
        """Rows, by id, of the posts in which SQL `name` is one of `values`."""
        self.con.register("wanted", pa.table({"value": pa.array(sorted(values), TEXT)}))
        query = (
            f"SELECT {columns} FROM {self.now()} WHERE {condition} "
            f"AND {name} IN (SELECT value FROM wanted) ORDER BY id"
        )
        found = list(self.rows(query))
        self.con.unregister("wanted")
        return found

    def media(self, size: int) -> Iterator[dict[str, Path]]:
        """sha256 -> a file with that content, for usable media, sorted, in parts of `size`."""
        box: dict[str, Path] = {}
        query = f"SELECT sha256, min(path) AS path FROM {self.now()} WHERE {USABLE}"
        for row in self.rows(f"{query} GROUP BY sha256 ORDER BY sha256"):
            box[row["sha256"]] = Path(row["path"])
            if len(box) == size:
                yield box
                box = {}
        if box:
            yield box

    def has_media(self) -> bool:
        """Whether any post has a usable file."""
        query = f"SELECT 1 FROM {self.now()} WHERE {USABLE} LIMIT 1"
        return bool(self.con.execute(query).fetchall())  # all: an open result blocks the next

    def reasons(self) -> dict[str, int]:
        """Posts dropped in this stage by reason."""
        query = f"SELECT reason, count(*) FROM {self.now()} WHERE reason IS NOT NULL GROUP BY 1"
        return dict(sorted(self.con.execute(query).fetchall()))


def drop_table(drops: Mapping[str, Drop]) -> pa.Table:
    """Drops by id as a table."""
    rows = [{"id": id, "reason": why, "value": value} for id, (why, value) in drops.items()]
    return pa.Table.from_pylist(rows, schema=DROPS)
