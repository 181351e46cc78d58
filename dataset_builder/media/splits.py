"""Which split each kept post is in, decided once: when it is known which media are the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pyarrow as pa

from dataset_builder.media.verdicts import Verdicts
from dataset_builder.text.splits import assign
from dataset_builder.work.groups import Groups
from dataset_builder.work.tables import BATCH, Rows

SPLITS = pa.schema([("id", pa.string()), ("split", pa.string())])


def write_splits(judged: Verdicts, alike: Sequence[Sequence[str]]) -> None:
    """Write `judged.splits`: id and split of every kept post.

    Posts of one group of `alike` (the same media) share a split: what stays apart as posts, such as
    one video on both platforms, must not be trained on here and tested on there. A split that a
    post already has (`blift hydrate`) stands.
    """
    settings = judged.settings
    key_of = joined_keys(judged, alike)
    rows = judged.rows(
        "SELECT id, split, coalesce(group_key, id) AS key, created "
        f"FROM {judged.now()} WHERE reason IS NULL ORDER BY id"
    )
    with Rows(judged.splits, SPLITS) as out:
        # `hash` decides each group by itself; the others fill shares and must see every post
        most = BATCH if settings.splits.method == "hash" else None
        while some := list(islice(rows, most)):
            keys = [key_of.get(row["key"], row["key"]) for row in some]
            splits = assign(keys, [row["created"] for row in some], settings)
            for row, split in zip(some, splits, strict=True):
                out.add({"id": row["id"], "split": row["split"] or split})


def joined_keys(judged: Verdicts, alike: Sequence[Sequence[str]]) -> dict[str, str]:
    """Group key -> the smallest key of those that posts of the same media join with it."""
    members = [post for group in alike for post in group]
    key_of_post = {
        id: row["key"]
        for id, row in judged.of(members, "id, coalesce(group_key, id) AS key").items()
    }
    keys = sorted(set(key_of_post.values()))
    place = {key: at for at, key in enumerate(keys)}
    groups = Groups(len(keys))
    for group in alike:
        first, *rest = (place[key_of_post[post]] for post in group)
        for other in rest:
            groups.join(first, other)
    return {key: keys[groups.root(at)] for at, key in enumerate(keys)}
