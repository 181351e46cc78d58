"""What a list of targets means in one build: which posts, comments and files it names."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataset_builder.errors import BuildError
from dataset_builder.judged import read_rows
from dataset_builder.media_record import MediaRecord, RecordStore
from dataset_builder.tombstones import HEX64, Target, Tombstones, canonical_url, near, values_of

# what stands before a name where people copy it from
PROFILE = re.compile(r"^(?:(?:https?://)?(?:\w+\.)?reddit\.com)?/?(?:u|user)/", re.IGNORECASE)
AUTHORS = pa.schema([("kind", pa.string()), ("id", pa.string()), ("author_key", pa.string())])


@dataclass
class Scope:
    """Sample ids, comment ids and file hashes to remove."""

    posts: set[str] = field(default_factory=set)
    comments: set[str] = field(default_factory=set)
    media: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)  # names the ledger knows the files by
    names: set[str] = field(default_factory=set)  # and names the files themselves may have


def read_posts(build_dir: Path) -> Iterator[dict[str, Any]]:
    """Ids and addresses of the posts the text stage kept, a batch in memory at a time."""
    path = build_dir / "work" / "text" / "posts.parquet"
    if not path.is_file():
        raise BuildError(f"{path}: no such file; give the folder of a finished `blift build`")
    return read_rows(path, ["id", "native_id", "media_key", "url", "permalink"])


def read_comments(build_dir: Path) -> Iterator[dict[str, Any]]:
    """Ids of the comments the text stage kept, a batch in memory at a time."""
    return read_rows(build_dir / "work" / "text" / "comments.parquet", ["post_id", "id"])


def written_by(build_dir: Path, wanted: Callable[[str], bool]) -> set[tuple[str, str]]:
    """(kind, id) of what authors wrote whose keyed hash is `wanted`; empty without authors."""
    path = build_dir / "work" / "text" / "authors.parquet"
    if not path.is_file():
        return set()
    rows = read_rows(path, AUTHORS.names)
    return {(row["kind"], row["id"]) for row in rows if wanted(row["author_key"])}


def hash_names(build_dir: Path, targets: Iterable[Target]) -> list[Target]:
    """Targets as the tables name them: authors by the build's keyed hash, ids without t1_, t3_."""
    key_file = build_dir / "work" / "author.key"
    found = []
    for target in targets:
        if target.kind == "author" and not HEX64.fullmatch(target.value.lower()):
            if not key_file.is_file():
                raise BuildError(f"{key_file}: needed to find an author by name; give the hash")
            name = PROFILE.sub("", target.value).strip("/@").lower()
            digest = hmac.new(key_file.read_bytes(), name.encode(), hashlib.sha256).hexdigest()
            found.append(Target("author", digest))
        elif target.kind == "id":
            plain = re.sub("^(?i:t1_)", "", re.sub("^(?i:t3_)", "reddit-", target.value))
            # Reddit's ids are lower case, YouTube's are not
            found.append(Target("id", plain.lower() if plain.startswith("reddit-") else plain))
        else:
            found.append(target)
    return found


def resolve(
    build_dir: Path, targets: Sequence[Target], samples: Mapping[str, str | None], bits: int
) -> Scope:
    """Everything of a build that `targets` name; `samples` is sample id -> media hash."""
    names = values_of(targets, "author")
    authors = written_by(build_dir, names.__contains__) if names else set()
    ids, urls = values_of(targets, "id"), values_of(targets, "url")
    scope = Scope(media=values_of(targets, "media"))
    scope.media |= _looking_like(build_dir, values_of(targets, "phash"), bits)
    for post in read_posts(build_dir):
        addresses = {canonical_url(post["url"]), canonical_url(post["permalink"])}
        by_author = ("post", post["id"]) in authors
        if {post["id"], post["native_id"]} & ids or addresses & urls or by_author:
            scope.posts.add(post["id"])
    scope.posts |= {s for s, sha in samples.items() if sha in scope.media or s in ids}
    for comment in read_comments(build_dir):
        by_author = ("comment", comment["id"]) in authors
        if comment["id"] in ids or comment["post_id"] in scope.posts or by_author:
            scope.comments.add(comment["id"])
    _fill_media(build_dir, samples, scope)
    return scope


def refused(build_dir: Path, tombstones: Tombstones) -> Scope:
    """Posts and comments of the text stage that tombstones refuse."""
    authors: set[tuple[str, str]] = set()
    if tombstones.entries["author"]:
        known = lru_cache(maxsize=1 << 16)(partial(tombstones.refuses, "author"))
        authors = written_by(build_dir, known)
    scope = Scope()
    for post in read_posts(build_dir):
        if ("post", post["id"]) in authors or tombstones.refuses_post(post):
            scope.posts.add(post["id"])
    for comment in read_comments(build_dir):
        by_author = ("comment", comment["id"]) in authors
        gone = by_author or tombstones.refuses("id", comment["id"])
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


def _fill_media(build_dir: Path, samples: Mapping[str, str | None], scope: Scope) -> None:
    """Files shown by forgotten samples alone go too; the ledger knows files by the post's key."""
    still = {sha for sample, sha in samples.items() if sample not in scope.posts}
    scope.media |= {sha for s, sha in samples.items() if s in scope.posts and sha} - still
    gone = [post for post in read_posts(build_dir) if post["id"] in scope.posts]
    keys = {post["media_key"] or post["native_id"] for post in gone}
    left = (post for post in read_posts(build_dir) if post["id"] not in scope.posts)
    scope.keys = keys - {post["media_key"] or post["native_id"] for post in left}
    scope.names = scope.keys | {name for p in gone for name in (p["id"], p["native_id"])}
