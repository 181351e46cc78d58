"""What a list of targets means in one build: which posts, comments and files it names."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.errors import BuildError
from dataset_builder.media_record import MediaRecord, RecordStore
from dataset_builder.schema import COMMENTS, POSTS
from dataset_builder.tombstones import HEX64, Target, Tombstones, canonical_url, near, values_of

AUTHORS = pa.schema([("kind", pa.string()), ("id", pa.string()), ("author_key", pa.string())])


@dataclass
class Scope:
    """Sample ids, comment ids and file hashes to remove."""

    posts: set[str] = field(default_factory=set)
    comments: set[str] = field(default_factory=set)
    media: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)  # names the ledger knows the files by
    names: set[str] = field(default_factory=set)  # and names the files themselves may have


def read_posts(build_dir: Path) -> list[dict[str, Any]]:
    """Ids and addresses of the posts the text stage kept."""
    path = build_dir / "work" / "text" / "posts.parquet"
    if not path.is_file():
        raise BuildError(f"{path}: no such file; give the folder of a finished `blift build`")
    columns = ["id", "native_id", "media_key", "url", "permalink"]
    return pq.read_table(path, columns=columns).cast(_subset(POSTS, columns)).to_pylist()


def read_comments(build_dir: Path) -> list[dict[str, Any]]:
    path = build_dir / "work" / "text" / "comments.parquet"
    columns = ["post_id", "id"]
    return pq.read_table(path, columns=columns).cast(_subset(COMMENTS, columns)).to_pylist()


def read_authors(build_dir: Path) -> dict[tuple[str, str], str]:
    """Author hash by (kind, id); empty where the text stage kept none."""
    path = build_dir / "work" / "text" / "authors.parquet"
    if not path.is_file():
        return {}
    rows = pq.read_table(path).to_pylist()
    return {(row["kind"], row["id"]): row["author_key"] for row in rows}


def hash_names(build_dir: Path, targets: Iterable[Target]) -> list[Target]:
    """Targets as the tables name them: authors by the build's keyed hash, ids without t1_, t3_."""
    key_file = build_dir / "work" / "author.key"
    found = []
    for target in targets:
        if target.kind == "author" and not HEX64.fullmatch(target.value.lower()):
            if not key_file.is_file():
                raise BuildError(f"{key_file}: needed to find an author by name; give the hash")
            name = target.value.removeprefix("/").removeprefix("u/").lower()
            digest = hmac.new(key_file.read_bytes(), name.encode(), hashlib.sha256).hexdigest()
            found.append(Target("author", digest))
        elif target.kind == "id":
            plain = target.value.removeprefix("t1_")
            found.append(Target("id", re.sub("^t3_", "reddit-", plain)))
        else:
            found.append(target)
    return found


def resolve(
    build_dir: Path, targets: Sequence[Target], samples: Mapping[str, str | None], bits: int
) -> Scope:
    """Everything of a build that `targets` name; `samples` is sample id -> media hash."""
    posts, comments = read_posts(build_dir), read_comments(build_dir)
    authors = read_authors(build_dir)
    ids, urls = values_of(targets, "id"), values_of(targets, "url")
    names = values_of(targets, "author")
    scope = Scope(media=values_of(targets, "media"))
    scope.media |= _looking_like(build_dir, values_of(targets, "phash"), bits)
    for post in posts:
        addresses = {canonical_url(post["url"]), canonical_url(post["permalink"])}
        by_author = authors.get(("post", post["id"])) in names
        if {post["id"], post["native_id"]} & ids or addresses & urls or by_author:
            scope.posts.add(post["id"])
    scope.posts |= {s for s, sha in samples.items() if sha in scope.media or s in ids}
    for comment in comments:
        by_author = authors.get(("comment", comment["id"])) in names
        if comment["id"] in ids or comment["post_id"] in scope.posts or by_author:
            scope.comments.add(comment["id"])
    _fill_media(posts, samples, scope)
    return scope


def refused(build_dir: Path, tombstones: Tombstones) -> Scope:
    """Posts and comments of the text stage that tombstones refuse."""
    authors = read_authors(build_dir)
    scope = Scope()
    for post in read_posts(build_dir):
        if tombstones.refuses_post(post, authors.get(("post", post["id"]))):
            scope.posts.add(post["id"])
    for comment in read_comments(build_dir):
        author = authors.get(("comment", comment["id"]))
        gone = tombstones.refuses("id", comment["id"]) or tombstones.refuses("author", author)
        if gone or comment["post_id"] in scope.posts:
            scope.comments.add(comment["id"])
    return scope


def record_stores(build_dir: Path) -> list[RecordStore]:
    """The media stores of a build, one per settings it ran with."""
    folder = build_dir / "work" / "media"
    return [RecordStore(path) for path in sorted(folder.glob("*")) if path.is_dir()]


def _looking_like(build_dir: Path, wanted: set[str], bits: int) -> set[str]:
    """Hashes of stored media with a signature near one of `wanted`."""
    found: set[str] = set()
    if not wanted:
        return found
    for store in record_stores(build_dir):
        for path in sorted(store.folder.glob("??/*.tar")):
            record = store.read(path.stem)
            if any(near(mine, other, bits) for mine in record_bits(record) for other in wanted):
                found.add(record.sha256)
    return found


def record_bits(record: MediaRecord) -> list[str]:
    """The perceptual hashes of a file."""
    return [signature[0] for signature in record.signatures if signature is not None]


def _fill_media(
    posts: Sequence[Mapping[str, Any]], samples: Mapping[str, str | None], scope: Scope
) -> None:
    """Files shown by forgotten samples alone go too; the ledger knows files by the post's key."""
    still = {sha for sample, sha in samples.items() if sample not in scope.posts}
    scope.media |= {sha for s, sha in samples.items() if s in scope.posts and sha} - still
    keys = {p["media_key"] or p["native_id"] for p in posts if p["id"] in scope.posts}
    used = {p["media_key"] or p["native_id"] for p in posts if p["id"] not in scope.posts}
    scope.keys = keys - used
    gone = {name for p in posts if p["id"] in scope.posts for name in (p["id"], p["native_id"])}
    scope.names = scope.keys | gone


def _subset(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])
