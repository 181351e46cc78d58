"""Kept comments by post: the Arrow table of the text stage, and the lists that merging replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Comment = dict[str, Any]


class Comments:
    """Comments in rank order by post id."""

    def __init__(self, path: Path) -> None:
        table = pq.read_table(path).sort_by([("post_id", "ascending"), ("rank", "ascending")])
        self.table: pa.Table = table.combine_chunks()
        self._at: dict[str, tuple[int, int]] = {}
        runs = pa.compute.run_end_encode(self.table.column("post_id").combine_chunks())
        start = 0
        for post, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            self._at[post] = (start, end - start)
            start = end
        self._replaced: dict[str, list[Comment]] = {}

    def of(self, post: str) -> list[Comment]:
        """The comments of `post`, best first; none is no error."""
        if post in self._replaced:
            return self._replaced[post]
        start, count = self._at.get(post, (0, 0))
        return self.table.slice(start, count).to_pylist()

    def replace(self, post: str, comments: list[Comment]) -> None:
        """Let `post` have these comments from now on."""
        self._replaced[post] = comments

    def every(self) -> Iterator[tuple[str, str]]:
        """(post id, comment id) of every comment as the text stage gave it."""
        for batch in self.table.select(["post_id", "id"]).to_batches(max_chunksize=65_536):
            yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
