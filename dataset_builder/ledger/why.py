"""`blift why`: where one id ended, from the ledger."""

from pathlib import Path
from typing import Any

import duckdb

from dataset_builder.errors import BuildError
from dataset_builder.ledger import ledger
from dataset_builder.ledger.reasons import NAMING, UNAVAILABLE
from dataset_builder.ledger.tombstones import load_tombstones

KINDS = ("post", "comment", "media")


def why(root: Path, item: str) -> list[dict[str, Any]]:
    """Ledger rows of an id: a sample id, a bare Reddit or YouTube id, or t3_/t1_ names.

    Raises BuildError when the build never saw it.
    """
    bare = item.strip()
    kind = None
    if bare[:3] in ("t3_", "t1_"):
        kind, bare = ("post" if bare[:3] == "t3_" else "comment"), bare[3:]
    names = [bare, f"reddit-{bare}", f"youtube-{bare}"]
    tombstones = load_tombstones(root)
    if tombstones:  # the ledger shows forgotten items under other names
        names += [tombstones.hidden_id(k, name) for k in KINDS for name in names]
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT kind, id, source, media_type, stage, kept, reason, value "
            f"FROM {ledger.table(root)} WHERE list_contains(?, id) AND (? IS NULL OR kind = ?) "
            "ORDER BY kind DESC, kept DESC, stage",
            [names, kind, kind],
        ).fetchall()
    if not rows:
        raise BuildError(
            f"{item!r} is in no input of {root}; expected a sample id (reddit-…, youtube-…), a "
            "Reddit or YouTube id, or a comment id"
        )
    keys = ("kind", "id", "source", "media_type", "stage", "kept", "reason", "value")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def format_why(rows: list[dict[str, Any]]) -> str:
    """One sentence per row."""
    lines = []
    for row in rows:
        head = f"{row['kind']} {row['id']} ({row['source']}): "
        if row["kept"]:
            lines.append(head + "kept")
        else:
            value = f" ({row['value']})" if row["value"] else ""
            lines.append(head + f"dropped at {row['stage']}: {row['reason']}{value}")
    if any(row["reason"] == UNAVAILABLE for row in rows):
        lines.append(f"{NAMING}.")
    return "\n".join(lines)
