"""Kept comments on disk: those of some posts, and all with what merging changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dataset_builder.schema import COMMENTS
from dataset_builder.work.sql import quote

Comment = dict[str, Any]
NAMES = ", ".join(f'"{name}"' for name in COMMENTS.names)


class Comments:
    """The text stage's comments.parquet and the lists that merging put in its place."""

    def __init__(self, con: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.con = con
        self.every = f"read_parquet({quote(path)})"
        self.con.execute("CREATE TABLE replaced_post (id VARCHAR)")
        self.con.register("no_comments", COMMENTS.empty_table())
        self.con.execute("CREATE TABLE replaced AS SELECT * FROM no_comments")

    def of(self, posts: Collection[str]) -> dict[str, list[Comment]]:
        """The comments of these posts as the text stage gave them, best first."""
        found: dict[str, list[Comment]] = {}
        if posts:
            self.con.register("asked", pa.table({"id": pa.array(sorted(posts), pa.string())}))
            query = f"SELECT {NAMES} FROM {self.every} WHERE post_id IN (SELECT id FROM asked)"
            rows = self.con.sql(f"{query} ORDER BY post_id, rank").to_arrow_table().to_pylist()
            for row in rows:
                found.setdefault(row["post_id"], []).append(row)
            self.con.unregister("asked")
        return found

    def replace(self, comments: Mapping[str, list[Comment]]) -> None:
        """Let these posts have these comments from now on."""
        rows = [{**c, "post_id": post} for post, found in comments.items() for c in found]
        self.con.register("new", pa.Table.from_pylist(rows, schema=COMMENTS))
        self.con.register("of", pa.table({"id": pa.array(list(comments), pa.string())}))
        self.con.execute(
            f"INSERT INTO replaced_post SELECT * FROM of; "
            f"INSERT INTO replaced BY NAME SELECT {NAMES} FROM new"
        )
        self.con.unregister("new")
        self.con.unregister("of")

    def now(self) -> str:
        """SQL: all comments with the replaced lists in their places."""
        left = "post_id NOT IN (SELECT id FROM replaced_post)"
        own = f"SELECT {NAMES} FROM {self.every} WHERE {left}"
        return f"({own} UNION ALL SELECT {NAMES} FROM replaced)"
