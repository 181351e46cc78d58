"""What the labels of a build are worth: how many were taken too early, how many contradict.

Dumps of some months were made seconds after posting: every score in them is 1, and nothing else
shows it. So it is counted under every setting, for what a build kept.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from dataset_builder.ledger import ledger
from dataset_builder.schema import SOURCES
from dataset_builder.work.layout import Layout
from dataset_builder.work.sql import quote

Row = dict[str, Any]


def labels(root: Path) -> list[Row]:
    """Per source and kind (post, comment): what was kept, of how many the time is known at which
    likes and score were read, how many of those are early (sooner than `SOURCE.early_hours` after
    posting), and how many posts have more likes than views.
    """
    posts, comments = (Layout(root).text / f"{name}.parquet" for name in ("posts", "comments"))
    if not posts.is_file() or not comments.is_file():
        return []  # a folder of another stage or of an older version
    kept = f"(SELECT DISTINCT kind, source, id FROM {ledger.table(root)} WHERE kept)"
    of_posts, of_comments = (f"read_parquet({quote(str(file))})" for file in (posts, comments))
    found = (
        f"SELECT 'post' AS kind, source, id, early, likes > views AS above FROM {of_posts} "
        "UNION ALL SELECT 'comment', split_part(post_id, '-', 1), id, early, NULL "
        f"FROM {of_comments}"
    )
    with duckdb.connect() as con:
        con.execute("SET threads=1; SET enable_progress_bar=false")
        rows = con.sql(
            "SELECT source, kind, count(*) AS kept, count(early) AS known, "
            "coalesce(count_if(early), 0)::BIGINT AS early, "
            "coalesce(count_if(above), 0)::BIGINT AS likes_above_views "
            f"FROM ({found}) SEMI JOIN {kept} USING (kind, source, id) "
            "GROUP BY ALL ORDER BY source, kind DESC"
        ).to_arrow_table()
    return rows.to_pylist()


def hours_of(settings: Mapping[str, Any]) -> dict[str, float | None]:
    """`early_hours` of each source in settings as a manifest records them."""
    return {name: settings.get(name, {}).get("early_hours") for name in SOURCES}


def sentences(rows: Sequence[Row], hours: Mapping[str, float | None]) -> list[str]:
    """One line of text for each row, and one for contradictions where there are any."""
    lines = []
    for row in rows:
        name = f"{row['source']} {row['kind']}s"
        limit = hours.get(row["source"])
        sooner = f"within {limit:g} h of posting" if limit else "too soon after posting"
        if row["known"]:
            share, rest = row["early"] / row["known"], row["kept"] - row["known"]
            unknown = f"; of {rest:,} more the time is not known" if rest else ""
            lines.append(
                f"{name}: {row['early']:,} of {row['known']:,} labels ({share:.1%}) were read "
                f"{sooner}{unknown}"
            )
        else:
            lines.append(f"{name}: nobody knows when the labels of {row['kept']:,} were read")
        if row["likes_above_views"]:
            lines.append(
                f"{name}: {row['likes_above_views']:,} with more likes than views, which have no "
                "percentage"
            )
    return lines
