"""Posts that show the same picture or video: one stays, with the comments of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataset_builder.comment_table import Comment, Comments
from dataset_builder.dedup import near_duplicates
from dataset_builder.phash import duplicate_groups
from dataset_builder.rejected import DUPLICATE
from dataset_builder.select_media import Drop, Selection
from dataset_builder.settings import Settings


def same_looking_posts(
    posts: Sequence[Mapping[str, Any]], selection: Selection, settings: Settings
) -> list[list[str]]:
    """Groups of post ids of one source whose media have the same bytes or look the same."""
    groups: list[list[str]] = []
    for source in sorted({post["source"] for post in posts}):
        section = {"reddit": settings.reddit, "youtube": settings.youtube}[source]
        if section.duplicates != "keep":
            own = [post for post in posts if post["source"] == source]
            groups += looking_alike(own, selection, settings.media.duplicate_bits)
    return groups


def looking_alike(
    posts: Sequence[Mapping[str, Any]], selection: Selection, bits: int | None
) -> list[list[str]]:
    """Groups of two or more post ids with the same media; `bits` None: only the same bytes."""
    by_sha: dict[str, list[str]] = {}
    for post in posts:
        record = selection.records.get(post["id"])
        if record is not None:
            by_sha.setdefault(record.sha256, []).append(post["id"])
    looks = [selection.records[ids[0]].looks() for ids in by_sha.values()]
    joined = [] if bits is None else duplicate_groups(looks, bits)
    alone = set(by_sha) - {sha for group in joined for sha in group}
    groups = [[i for sha in group for i in by_sha[sha]] for group in joined]
    groups += [by_sha[sha] for sha in sorted(alone) if len(by_sha[sha]) > 1]
    return [sorted(group) for group in groups]


def joined_splits(
    posts: Sequence[Mapping[str, Any]], groups: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Post id -> its split, where posts of `groups` (the same media) had to move together.

    What stays apart as posts, such as one video on both platforms, must not be trained on here and
    tested on there. Posts that already share a group key move as one.
    """
    key_of = {post["id"]: post["group_key"] or post["id"] for post in posts}
    parent = {key: key for key in key_of.values()}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    for group in groups:
        roots = sorted({root(key_of[post]) for post in group})
        for other in roots[1:]:
            parent[other] = roots[0]
    members: dict[str, list[Mapping[str, Any]]] = {}
    for post in posts:
        members.setdefault(root(key_of[post["id"]]), []).append(post)
    moved: dict[str, str] = {}
    for found in members.values():
        if len({post["split"] for post in found}) > 1:
            split = min(found, key=lambda post: post["id"])["split"]
            moved.update((post["id"], split) for post in found)
    return moved


def merge_posts(
    groups: Sequence[Sequence[str]],
    posts: Mapping[str, Mapping[str, Any]],
    comments: Comments,
    settings: Settings,
) -> tuple[dict[str, Drop], dict[str, Drop]]:
    """Drop all posts of each group but one; returns drops of posts and of comments by id.

    The post with the most comments stays (then the earlier, then the smaller id). Its comments
    become the best of all under the source's own rules, entered in `comments`.
    """
    post_drops: dict[str, Drop] = {}
    comment_drops: dict[str, Drop] = {}
    for group in groups:
        stays = min(group, key=lambda i: (-len(comments.of(i)), posts[i]["created"] or 0, i))
        gone = [i for i in group if i != stays]
        post_drops.update((i, (DUPLICATE, stays)) for i in gone)
        source = posts[stays]["source"]
        if source == "reddit" and settings.reddit.duplicates == "merge":
            section = settings.reddit
            pool = [c for i in group for c in comments.of(i)]
            kept, dropped = best_comments(pool, section.tfidf_threshold, settings.comments.keep)
            comments.replace(stays, kept)
            comment_drops |= dropped
        else:
            for comment in (c for i in gone for c in comments.of(i)):
                comment_drops[comment["id"]] = (f"post_dropped:{DUPLICATE}", stays)
    return post_drops, comment_drops


def best_comments(
    pool: Sequence[Comment], threshold: float | None, keep: int | None
) -> tuple[list[Comment], dict[str, Drop]]:
    """The best of pooled comments in their new order, and the others' reasons."""
    ordered = sorted(pool, key=lambda c: (-(c["likes"] or 0), c["rank"], c["id"]))
    dropped: dict[str, Drop] = {}
    if threshold is not None and len(ordered) > 1:
        texts = [c["text"] for c in ordered]
        for near in near_duplicates([0] * len(texts), texts, threshold):
            value = f"{near.cosine:.4f} to {ordered[near.of]['id']}"
            dropped[ordered[near.index]["id"]] = ("near_duplicate", value)
    left = [c for c in ordered if c["id"] not in dropped]
    most = len(left) if keep is None else keep
    dropped |= {c["id"]: ("beyond_top", str(at)) for at, c in enumerate(left, 1) if at > most}
    return [{**c, "rank": at} for at, c in enumerate(left[:most], 1)], dropped
