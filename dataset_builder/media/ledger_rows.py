"""Ledger rows of the media stage: every post and comment that reached it, every looked-up file."""

from __future__ import annotations

from dataset_builder.ledger.ledger import LedgerWriter
from dataset_builder.ledger.reasons import FORGOTTEN
from dataset_builder.ledger.refusal import Refusal
from dataset_builder.ledger.tombstones import TAIL, Tombstones
from dataset_builder.media.duplicates import Merged
from dataset_builder.media.kept_comments import Comments
from dataset_builder.media.verdicts import Verdicts, drop_table

NAME = "media-00000"
STAGE = "media"


def write_media_ledger(
    judged: Verdicts, comments: Comments, merged: Merged, tombstones: Tombstones
) -> None:
    """Write this stage's part of the ledger. Forgotten media and their posts are not named."""
    con = judged.con
    ledger = LedgerWriter(con, judged.layout, NAME, Refusal(con, judged.layout))
    for select in (_media_rows(judged), _post_rows(judged)):
        hidden = f"sha256('{tombstones.salt}' || kind || ':' || id)"
        refused = f"reason IS NOT DISTINCT FROM '{FORGOTTEN}'"
        ledger.add(
            f"SELECT * REPLACE (CASE WHEN {refused} THEN 'forgotten-' || left({hidden}, {TAIL}) "
            f"ELSE id END AS id, CASE WHEN {refused} THEN NULL ELSE value END AS value) "
            f"FROM ({select})"
        )
    con.register("said", drop_table(merged.comments))
    con.execute("CREATE TABLE comment_drop AS SELECT * FROM said")
    ledger.add(_comment_rows(judged, comments))
    ledger.close()


def _media_rows(judged: Verdicts) -> str:
    """SQL: one row per looked-up item: several posts may show one video."""
    return (
        f"SELECT '{STAGE}' AS stage, 'media' AS kind, key AS id, source, media_type, "
        "file_reason IS NULL AS kept, file_reason AS reason, file_value AS value FROM ("
        "SELECT *, row_number() OVER (PARTITION BY source, key ORDER BY id) AS n "
        f"FROM {judged.now()} WHERE looked_up) WHERE n = 1"
    )


def _post_rows(judged: Verdicts) -> str:
    """SQL: one row per post that reached this stage."""
    return (
        f"SELECT '{STAGE}' AS stage, 'post' AS kind, id, source, media_type, "
        f"reason IS NULL AS kept, reason, value FROM {judged.now()}"
    )


def _comment_rows(judged: Verdicts, comments: Comments) -> str:
    """SQL: one row per comment; it goes with the post it is at now, merging may have moved it."""
    return (
        f"SELECT '{STAGE}' AS stage, 'comment' AS kind, c.id, j.source, j.media_type, "
        "d.id IS NULL AND j.reason IS NULL AS kept, CASE WHEN d.id IS NOT NULL THEN d.reason "
        "WHEN j.reason IS NOT NULL THEN 'post_dropped:' || j.reason END AS reason, "
        "CASE WHEN d.id IS NOT NULL THEN d.value ELSE j.value END AS value "
        f"FROM {comments.every} c LEFT JOIN replaced r ON c.id = r.id "
        f"JOIN {judged.now()} j ON j.id = coalesce(r.post_id, c.post_id) "
        "LEFT JOIN comment_drop d ON c.id = d.id"
    )
