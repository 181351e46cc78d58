"""The end of the text stage: one posts.parquet, one comments.parquet, counts of replaced data."""

import json
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset_builder.rules.rule import CLOCKS
from dataset_builder.schema import COMMENTS, POSTS, SOURCES, STAGED_POSTS
from dataset_builder.settings import Settings
from dataset_builder.text.reposts import ORIGINS
from dataset_builder.text.splits import group_keys
from dataset_builder.work.partitions import TextBuild
from dataset_builder.work.sql import parquet
from dataset_builder.work.whole_files import copy, whole, write_table, write_text

GROUP = 1 << 17  # rows
SELECTED = COMMENTS.append(pa.field("author_key", pa.string()))
MERGES = 2  # tasks of this stage


def write_tables(build: TextBuild, task: int) -> None:
    """Join the partitions, sorted: the posts, with their groups, or the comments."""
    folder, text = build.layout.parts / "selected", build.layout.text
    if task:
        _merge_comments(build, folder, text)
        return
    posts = pa.concat_tables(
        [
            STAGED_POSTS.empty_table(),
            *(pq.read_table(file).cast(STAGED_POSTS) for file in sorted(folder.glob("posts-*"))),
        ]
    ).sort_by("id")
    ties = posts.select(
        ["id", "source", "native_id", "media_key", "author_key", "channel", "channel_id", "title"]
    )
    rows = (row for batch in ties.to_batches(GROUP // 16) for row in batch.to_pylist())
    groups = group_keys(rows)
    whole = posts.append_column("group_key", pa.array(groups, pa.string()))
    # the split is decided when it is known which media are the same
    whole = whole.append_column("split", pa.nulls(len(groups), pa.string()))
    whole = whole.append_column("early", _early(posts, build.settings))
    write_table(text / "posts.parquet", whole.select(POSTS.names).cast(POSTS))
    found = Counter[str]()
    for file in sorted(folder.glob("pii-*.json")):
        found.update(json.loads(file.read_text(encoding="utf-8")))
    write_text(text / "privacy.json", json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def _early(posts: pa.Table, settings: Settings) -> pa.ChunkedArray:
    """Per post: likes and score were read too soon to say much; null where nobody knows when."""
    age = pc.subtract(posts["retrieved"], posts["created"])
    hours = (settings.source(name).early_hours for name in SOURCES)
    limits = [pa.scalar(round(h * 3600), pa.int64()) for h in hours]
    sooner = pc.less(age, pc.if_else(pc.equal(posts["source"], SOURCES[0]), *limits))
    return pc.if_else(pc.less(age, -CLOCKS), None, sooner)  # as `rule.early`


def _merge_comments(build: TextBuild, folder: Path, text: Path) -> None:
    con = build.connection("merge")
    con.execute("SET preserve_insertion_order=true; SET threads=1")
    names = ", ".join(f'"{name}"' for name in COMMENTS.names)
    comments = parquet(folder.glob("comments-*.parquet"), SELECTED)
    reader = con.sql(f"SELECT {names} FROM {comments} ORDER BY post_id, rank").to_arrow_reader(
        GROUP
    )
    with (
        whole(text / "comments.parquet") as name,
        pq.ParquetWriter(name, COMMENTS, compression="zstd") as writer,
    ):
        for batch in reader:
            writer.write_table(pa.Table.from_batches([batch]).cast(COMMENTS), GROUP)
    posts = parquet(folder.glob("posts-*.parquet"), STAGED_POSTS)
    _write_authors(con, posts, comments, text / "authors.parquet")
    origins = parquet(folder.glob("origins-*.parquet"), ORIGINS)
    # the same comment may have been moved twice, from two records
    rows = f"SELECT DISTINCT id, origin, origin_author FROM {origins} ORDER BY ALL"
    copy(con, rows, text / "origins.parquet")
    con.close()


def _write_authors(con: duckdb.DuckDBPyConnection, posts: str, comments: str, path: Path) -> None:
    """Which keyed author hash stands behind what was kept, for `blift forget`; never released."""
    copy(
        con,
        f"SELECT 'post' AS kind, id, author_key FROM {posts} WHERE author_key IS NOT NULL "
        "UNION ALL SELECT 'comment' AS kind, id, author_key "
        f"FROM {comments} WHERE author_key IS NOT NULL ORDER BY kind, id",
        path,
    )
