"""Posts of one partition through the rules that need no comments, then duplicates over all.

Writes, per partition, the survivors and a verdict on every post (the comments need both).
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from dataset_builder import rulebook
from dataset_builder.ingest import MOVED, Chunks, Reading, staged_files, task_folder
from dataset_builder.language import add_detected
from dataset_builder.ledger import LedgerWriter
from dataset_builder.normalise import PLAIN_GATE, normalise
from dataset_builder.reddit import quote
from dataset_builder.staging import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.workdir import Layout, copy, parquet, publish, temporary

# of two records of one post the later, then the richer one counts
NEWEST = (
    "retrieved DESC NULLS LAST, views DESC NULLS LAST, score DESC NULLS LAST, "
    "num_comments DESC NULLS LAST, likes DESC NULLS LAST, created, title, url, description"
)


def select_posts(reading: Reading, part: int, channels: dict[str, str]) -> None:
    """Apply the early rules to one partition."""
    layout = reading.layout
    con = reading.connection(f"posts-{part}")
    ledger = LedgerWriter(con, layout, f"text-posts-{part:05d}")
    files = staged_files(layout, "read_posts", "posts", part)
    _load(con, parquet(files, STAGED_POSTS), channels)
    ledger.add(
        "SELECT 'read' AS stage, 'post' AS kind, id, source, media_type, false AS kept, "
        "'repeated' AS reason, 'record ' || copy AS value FROM every WHERE copy > 1"
    )
    con.execute("DELETE FROM every WHERE copy > 1")
    _normalise_titles(con)
    add_detected(con, "every", reading.settings)
    sources = []
    for source in ("reddit", "youtube"):
        stages = rulebook.staged(rulebook.EARLY[source], reading.settings)
        sources.append(
            f"SELECT *, {rulebook.verdict(stages)} AS verdict FROM every WHERE source = '{source}'"
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
    """Table `every`: the partition's posts with `copy` (1 = the record that counts)."""
    listed = pa.table({"id": list(channels), "label": list(channels.values())})
    con.register("channels_arrow", listed.cast(pa.schema([("id", "string"), ("label", "string")])))
    con.execute("CREATE TABLE channels AS SELECT * FROM channels_arrow")
    con.execute(
        f"CREATE TABLE every AS SELECT posts.* REPLACE ("
        "coalesce(nullif(channels.label, ''), posts.brand, posts.channel) AS brand), "
        f"row_number() OVER (PARTITION BY posts.id ORDER BY {NEWEST}) AS copy "
        f"FROM {rows} posts LEFT JOIN channels ON posts.channel_id = channels.id"
    )


def _normalise_titles(con: duckdb.DuckDBPyConnection) -> None:
    for column in ("title", "description"):
        clean(con, "every", "id", column, "false")


def clean(
    con: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    column: str,
    markdown: str,
    where: str = "true",
) -> None:
    """Normalise a text column in place; only texts the gate lets through leave DuckDB.

    `markdown` is SQL that is true where the text is Reddit markup; other rows than those of
    `where` stay as they are.
    """
    gate = f"regexp_matches({column}, {quote(PLAIN_GATE)})"
    found = con.sql(
        f"SELECT {key} AS k, {column} AS t, {markdown} AS m FROM {table} WHERE {where} AND {gate}"
    ).to_arrow_table()
    if not found.num_rows:
        return
    rows = zip(found["t"].to_pylist(), found["m"].to_pylist(), strict=True)
    texts = pa.array([normalise(text, mark) for text, mark in rows], pa.string())
    con.register("cleaned", pa.table({"k": found["k"], "t": texts}))
    con.execute(f"UPDATE {table} SET {column} = cleaned.t FROM cleaned WHERE {key} = cleaned.k")
    con.unregister("cleaned")


# One picture has many addresses on Reddit's hosts; elsewhere the query may be the picture.
_URL_KEY = r"""CASE
  WHEN media_key <> native_id THEN 'youtube:' || media_key
  WHEN host IN ('i.redd.it', 'preview.redd.it')
    THEN 'reddit:' || regexp_extract(url, '^[^:]+://[^/]+/([^?#]+)', 1)
  WHEN url IS NULL OR url = '' THEN NULL
  ELSE host || regexp_replace(regexp_extract(url, '^[^:]+://[^/]+(/[^#]*)', 1), '/+$', '')
END"""


def find_duplicates(reading: Reading, partitions: int) -> None:
    """Posts of one picture or video: the best scored stays, the others point to it.

    Ledger rows and verdicts (with `target`, where a post's comments go) cover every post.
    """
    layout, mode = reading.layout, reading.settings.reddit.duplicates
    con = reading.connection("duplicates")
    ledger = LedgerWriter(con, layout, "text-duplicates")
    posts = parquet(sorted((layout.parts / "posts").glob("*.parquet")), STAGED_POSTS)
    same = "(PARTITION BY key ORDER BY score DESC NULLS LAST, created NULLS LAST, id)"
    wanted = "false" if mode == "keep" else "key IS NOT NULL AND NOT is_self AND NOT gallery"
    con.execute(
        f"CREATE TABLE duplicate AS SELECT id, media_type, first AS target FROM ("
        f"SELECT id, media_type, first_value(id) OVER {same} AS first FROM ("
        f"SELECT id, media_type, score, created, is_self, gallery, {_URL_KEY} AS key "
        f"FROM {posts} WHERE source = 'reddit') WHERE {wanted}) WHERE id <> first"
    )
    ledger.add(
        "SELECT 'duplicates' AS stage, 'post' AS kind, id, 'reddit' AS source, media_type, "
        "false AS kept, 'duplicate' AS reason, target AS value FROM duplicate"
    )
    moved = "NULL" if mode == "merge" else "'duplicate'"
    target = "duplicate.target" if mode == "merge" else "NULL"
    files = [layout.parts / "verdicts" / f"{part:05d}.parquet" for part in range(partitions)]
    verdicts = parquet(files, pa.schema([]))
    copy(
        con,
        "SELECT v.id, v.source, v.media_type, "
        f"CASE WHEN duplicate.id IS NOT NULL THEN {moved} ELSE v.reason END AS reason, "
        f"CASE WHEN duplicate.id IS NOT NULL THEN {target} ELSE v.id END AS target "
        f"FROM {verdicts} v LEFT JOIN duplicate ON v.id = duplicate.id",
        final_verdicts(layout),
    )
    if mode == "merge":
        _move_comments(con, reading)
    ledger.close()
    con.close()


def _move_comments(con: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """Comments that were read with their posts (the authors' release) follow a merged post.

    Those of a dump are read later and go to the right post at once.
    """
    layout = reading.layout
    files = sorted(layout.parts.glob("read_posts/?????/comments/part=*/*.parquet"))
    moved = f"{parquet(files, STAGED_COMMENTS)} c JOIN duplicate ON c.post_id = duplicate.id"
    if not con.sql(f"SELECT 1 FROM {moved} LIMIT 1").fetchall():
        return
    folder = task_folder(layout, MOVED, 0)
    name = temporary(folder)
    columns = ", ".join(f'c."{field}"' for field in STAGED_COMMENTS.names if field != "post_id")
    rows = f"SELECT {columns}, duplicate.target AS post_id FROM {moved}"
    Chunks(con, name, reading.partitions).write(rows, "comments", "post_id")
    publish(name, folder)


def final_verdicts(layout: Layout) -> Path:
    """One row per known post: reason (null = still in) and target of its comments."""
    return layout.parts / "verdicts.parquet"
