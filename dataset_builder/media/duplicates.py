"""Posts that show the same picture or video: one stays, with the comments of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataset_builder.decode.looks import duplicate_groups
from dataset_builder.ledger.reasons import DUPLICATE, EQUAL, FEW_COMMENTS
from dataset_builder.media.kept_comments import Comment, Comments
from dataset_builder.media.record import RecordStore
from dataset_builder.media.verdicts import USABLE, Drop, Verdicts
from dataset_builder.schema import SOURCES
from dataset_builder.settings import Settings
from dataset_builder.text.near_duplicates import near_duplicates


@dataclass
class Merged:
    """What merging does: drops of posts and of comments by id, and comments of posts that stay.

    Comments of a post that goes are at the post that stays, or have a drop of their own.
    """

    posts: dict[str, Drop] = field(default_factory=dict)
    comments: dict[str, Drop] = field(default_factory=dict)
    replaced: dict[str, list[Comment]] = field(default_factory=dict)


def merge_duplicates(
    judged: Verdicts, store: RecordStore, comments: Comments, settings: Settings
) -> Merged:
    """Merge, within each source, posts whose media have the same bytes or look the same."""
    merged = Merged()
    for source in SOURCES:
        section = settings.source(source)
        if section.duplicates == "keep":
            continue
        groups = looking_alike(judged, store, settings.media.duplicate_bits, source)
        members = [post for group in groups for post in group]
        posts, found = judged.of(members, "id, created"), comments.of(members)
        for group in groups:
            own = {post: found.get(post, []) for post in group}
            _merge(group, posts, own, section, settings.comments.keep, merged)
    return merged


def looking_alike(
    judged: Verdicts, store: RecordStore, bits: int | None, source: str | None = None
) -> list[list[str]]:
    """Groups of two or more post ids with the same media; `bits` None: only the same bytes."""
    where = USABLE if source is None else f"{USABLE} AND source = '{source}'"
    now = f"{judged.now()} WHERE {where}"
    groups: list[list[str]] = []
    if bits is not None:
        query = f"SELECT sha256, min(media_type) AS kind, any_value(bits) AS bits FROM {now}"
        every = judged.rows(f"{query} GROUP BY sha256 ORDER BY sha256")
        hashes = ((row["sha256"], row["kind"], row["bits"] or ()) for row in every)
        groups = duplicate_groups(hashes, lambda sha: store.read(sha).looks(), bits)
    group_of = {sha: at for at, group in enumerate(groups) for sha in group}
    query = (
        f"SELECT sha256, list_sort(list(id)) AS ids FROM {now} GROUP BY sha256 "
        "HAVING count(*) > 1 ORDER BY sha256"
    )
    same: dict[str, list[str]] = {row["sha256"]: row["ids"] for row in judged.rows(query)}
    for sha in sorted(same.keys() - group_of.keys()):
        group_of[sha] = len(groups)
        groups.append([sha])
    found: list[list[str]] = [[] for _ in groups]
    for row in judged.where("sha256", group_of, "id, sha256", where):
        found[group_of[row["sha256"]]].append(row["id"])
    return [posts for posts in found if len(posts) > 1]


def _merge(
    group: Sequence[str],
    posts: Mapping[str, Mapping[str, Any]],
    comments: Mapping[str, list[Comment]],
    section: Any,
    keep: int | None,
    merged: Merged,
) -> None:
    """Drop all posts of a group but one.

    The post with the most comments stays (then the earlier, then the smaller id). Its comments
    become the best of all under the source's own rules; where too few of them are left, as pooled
    comments may repeat each other, it goes as well.
    """
    stays = min(group, key=lambda i: (-len(comments[i]), posts[i]["created"] or 0, i))
    gone = [i for i in group if i != stays]
    merged.posts.update((i, (DUPLICATE, stays)) for i in gone)
    if section.duplicates != "merge":
        for comment in (c for i in gone for c in comments[i]):
            merged.comments[comment["id"]] = (f"post_dropped:{DUPLICATE}", stays)
        return
    pool = [c for i in group for c in comments[i]]
    last = section.early_comments == "last"
    kept, dropped = best_comments(pool, section.tfidf_threshold, keep, last)
    merged.comments |= dropped
    merged.replaced[stays] = kept
    if pool and len(kept) < (section.min_comments or 0):
        merged.posts[stays] = (FEW_COMMENTS, str(len(kept)))
        for comment in kept:
            merged.comments[comment["id"]] = (f"post_dropped:{FEW_COMMENTS}", stays)


def best_comments(
    pool: Sequence[Comment], threshold: float | None, keep: int | None, early_last: bool
) -> tuple[list[Comment], dict[str, Drop]]:
    """The best of pooled comments in their new order, and the others' reasons.

    `early_last`: likes that were read too soon rank none, and behind all others.
    """

    def place(comment: Comment) -> tuple[Any, ...]:
        mute = early_last and bool(comment["early"])
        return mute, 0 if mute else -(comment["likes"] or 0), comment["rank"], comment["id"]

    ordered = sorted(pool, key=place)
    dropped: dict[str, Drop] = {}
    if threshold is not None and len(ordered) > 1:
        first: dict[str, str] = {}
        for c in ordered:
            if first.setdefault(c["text"], c["id"]) != c["id"]:
                dropped[c["id"]] = (EQUAL, first[c["text"]])
        ordered = [c for c in ordered if c["id"] not in dropped]
        texts = [c["text"] for c in ordered]
        for near in near_duplicates([0] * len(texts), texts, threshold):
            value = f"{near.cosine:.4f} to {ordered[near.of]['id']}"
            dropped[ordered[near.index]["id"]] = ("near_duplicate", value)
    left = [c for c in ordered if c["id"] not in dropped]
    most = len(left) if keep is None else keep
    dropped |= {c["id"]: ("beyond_top", str(at)) for at, c in enumerate(left, 1) if at > most}
    return [{**c, "rank": at} for at, c in enumerate(left[:most], 1)], dropped
