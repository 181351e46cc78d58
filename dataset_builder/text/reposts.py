"""Posts that link the same media: the best stands for all and gets their comments."""

import duckdb
import pyarrow as pa

from dataset_builder.ledger.ledger import LedgerWriter
from dataset_builder.ledger.refusal import Refusal
from dataset_builder.rules import order
from dataset_builder.schema import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.work.partitions import (
    MOVED,
    READ,
    Chunks,
    TextBuild,
    staged_files,
    task_folder,
)
from dataset_builder.work.sql import parquet
from dataset_builder.work.whole_files import whole

DUPLICATES = "duplicates"
DUPLICATE = pa.schema([("id", pa.string()), ("target", pa.string())])
ORIGINS = pa.schema(
    [(name, pa.string()) for name in ("post_id", "id", "origin", "origin_author")]
)  # of comments whose post was merged into another
# One picture has many addresses on Reddit's hosts; elsewhere the query may be the picture. Without
# a host or a path there is no key: nothing is told of the media, and two of them are not the same.
_URL_KEY = r"""CASE
  WHEN media_key <> native_id THEN 'youtube:' || media_key
  WHEN host IN ('i.redd.it', 'preview.redd.it')
    THEN 'reddit:' || nullif(regexp_extract(url, '^[^:]+://[^/]+/+([^?#]+)', 1), '')
  WHEN host <> '' THEN host ||
    nullif(regexp_replace(regexp_extract(url, '^[^:]+://[^/]+(/[^#]*)', 1), '/+$', ''), '')
END"""


def find_duplicates(build: TextBuild) -> None:
    """Posts of one picture or video: the best scored stays, the others point to it.

    Only one that no rule but that on its comments can drop may stay, and only posts of one medium
    are the same: else a picture post would take a video with it. Leaves the pairs by partition,
    and their ledger rows.
    """
    layout, mode = build.layout, build.settings.reddit.duplicates
    con = build.connection("duplicates")
    ledger = LedgerWriter(con, layout, "text-duplicates", Refusal(con, layout))
    posts = parquet(sorted((layout.parts / "posts").glob("*.parquet")), STAGED_POSTS)
    lost = order.verdict(order.without_comments("reddit", build.settings))
    best = "CASE WHEN lost IS NULL THEN id END"
    same = "(PARTITION BY media_type, key ORDER BY lost IS NOT NULL, score DESC NULLS LAST, "
    same += "created NULLS LAST, id)"
    wanted = "false" if mode == "keep" else "key IS NOT NULL AND NOT is_self AND NOT gallery"
    con.execute(
        f"CREATE TABLE duplicate AS SELECT id, media_type, author_key, first AS target FROM ("
        f"SELECT id, media_type, author_key, first_value({best}) OVER {same} AS first FROM ("
        f"SELECT id, media_type, author_key, score, created, is_self, gallery, {lost} AS lost, "
        f"{_URL_KEY} AS key FROM {posts} WHERE source = 'reddit') WHERE {wanted}) WHERE id <> first"
    )
    ledger.add(
        "SELECT 'duplicates' AS stage, 'post' AS kind, id, 'reddit' AS source, media_type, "
        "false AS kept, 'duplicate' AS reason, target AS value FROM duplicate"
    )
    rows = "SELECT id, target FROM duplicate"
    with whole(task_folder(layout, DUPLICATES, 0)) as folder:
        Chunks(con, folder, build.partitions).write(rows, "posts", "id")
    if mode == "merge":
        _move_comments(con, build)
    ledger.close()
    con.close()


def final_verdicts(build: TextBuild, part: int) -> str:
    """SQL table expression: a partition's posts with reason (null = still in) and target.

    The target is the post that its comments go to: itself, or another where the two were merged.
    """
    layout = build.layout
    merged = build.settings.reddit.duplicates == "merge"
    verdicts = parquet([layout.parts / "verdicts" / f"{part:05d}.parquet"], pa.schema([]))
    duplicates = parquet(staged_files(layout, DUPLICATES, "posts", part), DUPLICATE)
    reason, target = ("NULL", "d.target") if merged else ("'duplicate'", "NULL")
    return (
        "(SELECT v.id AS post_id, v.media_type, "
        f"CASE WHEN d.id IS NULL THEN v.reason ELSE {reason} END AS reason, "
        f"CASE WHEN d.id IS NULL THEN v.id ELSE {target} END AS target "
        f"FROM {verdicts} v LEFT JOIN {duplicates} d ON v.id = d.id)"
    )


def _move_comments(con: duckdb.DuckDBPyConnection, build: TextBuild) -> None:
    """Comments of merged posts follow them, as another reading task's would.

    Where each came from is left beside them, so that the merged post can be forgotten.
    """
    layout = build.layout
    files = sorted(layout.parts.glob(f"{READ}/?????/comments/part=*/*.parquet"))
    columns = ", ".join(f'"{field}"' for field in STAGED_COMMENTS.names if field != "post_id")
    con.execute(
        f"CREATE TABLE moved AS SELECT {columns}, target AS post_id, post_id AS origin, "
        f"origin_author FROM {parquet(files, STAGED_COMMENTS)} "
        "JOIN (SELECT id AS post_id, target, author_key AS origin_author FROM duplicate) "
        "USING (post_id)"
    )
    origins = f"SELECT {', '.join(ORIGINS.names)} FROM moved"
    with whole(task_folder(layout, MOVED, 0)) as folder:
        chunks = Chunks(con, folder, build.partitions)
        chunks.write(f"SELECT {columns}, post_id FROM moved", "comments", "post_id")
        chunks.write(origins, "origins", "post_id")
