"""Posts of one partition through the rules that need no comments, then duplicates over all.

Writes, per partition, the survivors and a verdict on every post (the comments need both).
"""

import duckdb
import pyarrow as pa

from dataset_builder.ledger.ledger import LedgerWriter
from dataset_builder.ledger.refusal import Refusal
from dataset_builder.rules import order
from dataset_builder.schema import SOURCES, STAGED_POSTS
from dataset_builder.text.clean import add_detected, normalise_titles
from dataset_builder.work.partitions import READ, TextBuild, staged_files
from dataset_builder.work.sql import parquet
from dataset_builder.work.whole_files import copy

# of two records of one post the later, then the richer one counts
NEWEST = (
    "retrieved DESC NULLS LAST, views DESC NULLS LAST, score DESC NULLS LAST, "
    "num_comments DESC NULLS LAST, likes DESC NULLS LAST, created, title, url, description"
)


def select_posts(build: TextBuild, part: int, channels: dict[str, str]) -> None:
    """Apply the early rules to one partition."""
    layout = build.layout
    con = build.connection(f"posts-{part}")
    ledger = LedgerWriter(con, layout, f"text-posts-{part:05d}", Refusal(con, layout))
    files = staged_files(layout, READ, "posts", part)
    _load(con, parquet(files, STAGED_POSTS), channels)
    _drop_repeated(con, ledger)
    normalise_titles(con)
    add_detected(con, "every", build.settings)
    sources = []
    for source in SOURCES:
        stages = order.staged(source, False, build.settings)
        sources.append(
            f"SELECT *, {order.verdict(stages)} AS verdict FROM every WHERE source = '{source}'"
        )
    con.execute(f"CREATE TABLE judged AS {' UNION ALL '.join(sources)}")
    ledger.add(
        "SELECT verdict.stage AS stage, 'post' AS kind, id, source, media_type, false AS kept, "
        "verdict.reason AS reason, verdict.value AS value FROM judged WHERE verdict IS NOT NULL"
    )
    copy(
        con,
        "SELECT id, source, media_type, verdict.reason AS reason FROM judged ORDER BY id",
        layout.parts / "verdicts" / f"{part:05d}.parquet",
    )
    names = ", ".join(f'"{name}"' for name in STAGED_POSTS.names)
    copy(
        con,
        f"SELECT {names} FROM judged WHERE verdict IS NULL ORDER BY id",
        layout.parts / "posts" / f"{part:05d}.parquet",
    )
    ledger.close()
    con.close()


def _load(con: duckdb.DuckDBPyConnection, rows: str, channels: dict[str, str]) -> None:
    """Table `every`: the partition's posts, numbered."""
    listed = pa.table({"id": list(channels), "label": list(channels.values())})
    con.register("channels_arrow", listed.cast(pa.schema([("id", "string"), ("label", "string")])))
    con.execute("CREATE TABLE channels AS SELECT * FROM channels_arrow")
    con.execute(
        "CREATE TABLE every AS SELECT row_number() OVER () AS n, posts.* REPLACE ("
        "coalesce(nullif(channels.label, ''), posts.brand, posts.channel) AS brand) "
        f"FROM {rows} posts LEFT JOIN channels ON posts.channel_id = channels.id"
    )


def _drop_repeated(con: duckdb.DuckDBPyConnection, ledger: LedgerWriter) -> None:
    """Of several records of one post the one that counts stays in `every`."""
    con.execute("CREATE TABLE twice AS SELECT id FROM every GROUP BY id HAVING count(*) > 1")
    con.execute(
        f"CREATE TABLE repeated AS SELECT n, row_number() OVER (PARTITION BY id ORDER BY {NEWEST}) "
        "AS copy FROM every SEMI JOIN twice USING (id)"
    )
    ledger.add(
        "SELECT 'read' AS stage, 'post' AS kind, id, source, media_type, false AS kept, "
        "'repeated' AS reason, 'record ' || copy AS value FROM every JOIN repeated USING (n) "
        "WHERE copy > 1"
    )
    con.execute("DELETE FROM every WHERE n IN (SELECT n FROM repeated WHERE copy > 1)")
