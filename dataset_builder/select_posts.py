"""Posts of one partition through the rules that need no comments, then duplicates over all.

Writes, per partition, the survivors and a verdict on every post (the comments need both).
"""

import duckdb
import pyarrow as pa

from dataset_builder import rulebook
from dataset_builder.ingest import (
    MOVED,
    READ,
    Chunks,
    Reading,
    staged_files,
    task_folder,
)
from dataset_builder.language import add_detected
from dataset_builder.ledger import LedgerWriter
from dataset_builder.normalise import PLAIN_GATE, normalise
from dataset_builder.reddit import quote
from dataset_builder.staging import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.workdir import copy, parquet, publish, temporary

# of two records of one post the later, then the richer one counts
NEWEST = (
    "retrieved DESC NULLS LAST, views DESC NULLS LAST, score DESC NULLS LAST, "
    "num_comments DESC NULLS LAST, likes DESC NULLS LAST, created, title, url, description"
)

DUPLICATES = "duplicates"
DUPLICATE = pa.schema([("id", pa.string()), ("target", pa.string())])
ORIGINS = pa.schema(
    [(name, pa.string()) for name in ("post_id", "id", "origin", "origin_author")]
)  # of comments whose post was merged into another


def select_posts(reading: Reading, part: int, channels: dict[str, str]) -> None:
    """Apply the early rules to one partition."""
    layout = reading.layout
    con = reading.connection(f"posts-{part}")
    ledger = LedgerWriter(con, layout, f"text-posts-{part:05d}")
    files = staged_files(layout, READ, "posts", part)
    _load(con, parquet(files, STAGED_POSTS), channels)
    _drop_repeated(con, ledger)
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


def find_duplicates(reading: Reading) -> None:
    """Posts of one picture or video: the best scored stays, the others point to it.

    Leaves the pairs by partition, and their ledger rows.
    """
    layout, mode = reading.layout, reading.settings.reddit.duplicates
    con = reading.connection("duplicates")
    ledger = LedgerWriter(con, layout, "text-duplicates")
    posts = parquet(sorted((layout.parts / "posts").glob("*.parquet")), STAGED_POSTS)
    same = "(PARTITION BY key ORDER BY score DESC NULLS LAST, created NULLS LAST, id)"
    wanted = "false" if mode == "keep" else "key IS NOT NULL AND NOT is_self AND NOT gallery"
    con.execute(
        f"CREATE TABLE duplicate AS SELECT id, media_type, author_key, first AS target FROM ("
        f"SELECT id, media_type, author_key, first_value(id) OVER {same} AS first FROM ("
        f"SELECT id, media_type, author_key, score, created, is_self, gallery, {_URL_KEY} AS key "
        f"FROM {posts} WHERE source = 'reddit') WHERE {wanted}) WHERE id <> first"
    )
    ledger.add(
        "SELECT 'duplicates' AS stage, 'post' AS kind, id, 'reddit' AS source, media_type, "
        "false AS kept, 'duplicate' AS reason, target AS value FROM duplicate"
    )
    folder = task_folder(layout, DUPLICATES, 0)
    name = temporary(folder)
    rows = "SELECT id, target FROM duplicate"
    Chunks(con, name, reading.partitions).write(rows, "posts", "id")
    publish(name, folder)
    if mode == "merge":
        _move_comments(con, reading)
    ledger.close()
    con.close()


def final_verdicts(reading: Reading, part: int) -> str:
    """SQL table expression: a partition's posts with reason (null = still in) and target.

    The target is the post that its comments go to: itself, or another where the two were merged.
    """
    layout = reading.layout
    merged = reading.settings.reddit.duplicates == "merge"
    verdicts = parquet([layout.parts / "verdicts" / f"{part:05d}.parquet"], pa.schema([]))
    duplicates = parquet(staged_files(layout, DUPLICATES, "posts", part), DUPLICATE)
    reason, target = ("NULL", "d.target") if merged else ("'duplicate'", "NULL")
    return (
        "(SELECT v.id AS post_id, v.media_type, "
        f"CASE WHEN d.id IS NULL THEN v.reason ELSE {reason} END AS reason, "
        f"CASE WHEN d.id IS NULL THEN v.id ELSE {target} END AS target "
        f"FROM {verdicts} v LEFT JOIN {duplicates} d ON v.id = d.id)"
    )


def _move_comments(con: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """Comments of merged posts follow them, as another reading task's would.

    Where each came from is left beside them, so that the merged post can be forgotten.
    """
    layout = reading.layout
    files = sorted(layout.parts.glob(f"{READ}/?????/comments/part=*/*.parquet"))
    columns = ", ".join(f'"{field}"' for field in STAGED_COMMENTS.names if field != "post_id")
    con.execute(
        f"CREATE TABLE moved AS SELECT {columns}, target AS post_id, post_id AS origin, "
        f"origin_author FROM {parquet(files, STAGED_COMMENTS)} "
        "JOIN (SELECT id AS post_id, target, author_key AS origin_author FROM duplicate) "
        "USING (post_id)"
    )
    folder = task_folder(layout, MOVED, 0)
    name = temporary(folder)
    chunks = Chunks(con, name, reading.partitions)
    chunks.write(f"SELECT {columns}, post_id FROM moved", "comments", "post_id")
    origins = f"SELECT {', '.join(ORIGINS.names)} FROM moved"
    chunks.write(origins, "origins", "post_id")
    publish(name, folder)
