"""One file that many posts show under different titles: not one post, reposted, but a stand-in."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.ledger.reasons import MANY_TITLES
from dataset_builder.media.verdicts import USABLE, Drop, Verdicts
from dataset_builder.work.sql import quote

# letters and digits decide whether two titles are the same
PLAIN_TITLE = "regexp_replace(lower(title), '[^\\p{L}\\p{N}]+', ' ', 'g')"


def under_many_titles(judged: Verdicts, posts: Path, most: int | None) -> dict[str, Drop]:
    """Drops of the posts whose file, byte for byte, has more than `most` titles.

    Titles count once per address, as one video linked by many posts is one video. None: no limit.
    """
    if most is None:
        return {}
    titles = f"(SELECT id, {PLAIN_TITLE} AS title FROM read_parquet({quote(posts)}))"
    query = (
        f"SELECT list_sort(list(id)) AS ids, count(DISTINCT title) AS titles "
        f"FROM {judged.now()} j JOIN {titles} USING (id) WHERE {USABLE} "
        f"GROUP BY sha256 HAVING count(DISTINCT key) > {most} AND titles > {most}"
    )
    return {
        id: (MANY_TITLES, f"{row['titles']} titles of one file")
        for row in judged.rows(query)
        for id in row["ids"]
    }
