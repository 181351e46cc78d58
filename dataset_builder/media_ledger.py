"""Ledger rows of the media stage: every post and comment that reached it, every looked-up file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.atomic import atomic_file
from dataset_builder.comment_table import Comments
from dataset_builder.schema import LEDGER
from dataset_builder.select_media import Drop

STAGE = "media"
NAME = "media-00000.parquet"
BATCH = 65_536


def write_media_ledger(rows: Iterable[Mapping[str, Any]], folder: Path) -> None:
    """Write `rows` as one file of the ledger."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / NAME) as file, pq.ParquetWriter(file, LEDGER) as writer:
        for batch in _batches(rows):
            writer.write_table(pa.Table.from_pylist(batch, schema=LEDGER))


def post_rows(
    posts: Sequence[Mapping[str, Any]], drops: Mapping[str, Drop]
) -> Iterator[dict[str, Any]]:
    """One row per post that reached this stage."""
    for post in posts:
        yield _row("post", post["id"], post, drops.get(post["id"]))


def comment_rows(
    comments: Comments,
    posts: Mapping[str, Mapping[str, Any]],
    post_drops: Mapping[str, Drop],
    comment_drops: Mapping[str, Drop],
    merged: set[str],
) -> Iterator[dict[str, Any]]:
    """One row per comment; those of posts in `merged` moved or have their own drop."""
    for post_id, comment_id in comments.every():
        drop = comment_drops.get(comment_id)
        if drop is None and post_id in post_drops and post_id not in merged:
            reason, value = post_drops[post_id]
            drop = (f"post_dropped:{reason}", value)
        yield _row("comment", comment_id, posts[post_id], drop)


def _row(kind: str, item: str, post: Mapping[str, Any], drop: Drop | None) -> dict[str, Any]:
    return {
        "stage": STAGE,
        "kind": kind,
        "id": item,
        "source": post["source"],
        "media_type": post["media_type"],
        "kept": drop is None,
        "reason": drop[0] if drop else None,
        "value": drop[1] if drop else None,
    }


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(dict(row))
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch
