"""What a list of targets means in one build: which posts, comments and files it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dataset_builder.errors import BuildError
from dataset_builder.ledger import ledger
from dataset_builder.ledger.addresses import canonical_url
from dataset_builder.ledger.targets import HEX64, KINDS, Target, values_of
from dataset_builder.ledger.tombstones import Tombstones, near
from dataset_builder.media.record import MediaRecord, RecordStore
from dataset_builder.read.reddit import hash_author
from dataset_builder.work.tables import read_rows

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


class Wanted:
    """The targets by kind, and which of them something was found for."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.values = {kind: values_of(targets, kind) for kind in KINDS}
        self.found: set[str] = set()

    def names(self, kind: str, *values: str | None) -> bool:
        """Whether a target of this kind names one of these."""
        hits = self.values[kind].intersection(value for value in values if value is not None)
        self.found |= hits
        return bool(hits)

    def unmatched(self, targets: Sequence[Target]) -> list[Target]:
        """Targets that named nothing; a bare hash is two of them, and one is enough."""
        return [target for target in targets if target.value not in self.found]


def read_posts(build_dir: Path) -> Iterator[dict[str, Any]]:
    """Ids and addresses of the posts the text stage kept, a batch in memory at a time."""
    path = build_dir / "work" / "text" / "posts.parquet"
    if not path.is_file():
        raise BuildError(f"{path}: no such file; give the folder of a finished `blift build`")
    return read_rows(path, ["id", "native_id", "media_key", "url", "permalink"])


def read_comments(build_dir: Path) -> Iterator[dict[str, Any]]:
    """Ids of the comments the text stage kept, a batch in memory at a time."""
    return read_rows(build_dir / "work" / "text" / "comments.parquet", ["post_id", "id"])


def read_origins(build_dir: Path) -> Iterator[dict[str, Any]]:
    """Kept comments whose post was merged into another: id, origin and its author's keyed hash.

    With the origin's `native` id and its `address`, as posts have them.
    """
    path = build_dir / "work" / "text" / "origins.parquet"
    for row in read_rows(path, ["id", "origin", "origin_author"]) if path.is_file() else ():
        native = row["origin"].partition("-")[2]
        yield {**row, "native": native, "address": f"reddit.com/comments/{native}"}


def written_by(build_dir: Path, wanted: Callable[[str], bool]) -> dict[tuple[str, str], str]:
    """(kind, id) of what authors wrote whose keyed hash is `wanted`, with it."""
    path = build_dir / "work" / "text" / "authors.parquet"
    if not path.is_file():
        return {}
    rows = read_rows(path, AUTHORS.names)
    return {
        (row["kind"], row["id"]): row["author_key"] for row in rows if wanted(row["author_key"])
    }


def hash_names(build_dir: Path, targets: Iterable[Target]) -> list[Target]:
    """Targets as the tables name them: authors by the build's keyed hash, ids without t1_, t3_."""
    key_file = build_dir / "work" / "author.key"
    found = []
    for target in targets:
        if target.kind == "author" and not HEX64.fullmatch(target.value.lower()):
            if not key_file.is_file():
                raise BuildError(f"{key_file}: needed to find an author by name; give the hash")
            name = PROFILE.sub("", target.value).strip("/@")
            found.append(Target("author", hash_author(name, key_file.read_bytes()), target.line))
        elif target.kind == "id":
            plain = re.sub("^(?i:t1_)", "", re.sub("^(?i:t3_)", "reddit-", target.value))
            found.append(Target("id", plain, target.line))
        else:
            found.append(target)
    return found


def resolve(build_dir: Path, wanted: Wanted, samples: Mapping[str, str | None], bits: int) -> Scope:
    """Everything of a build that is wanted; `samples` is sample id -> media hash."""
    authors = written_by(build_dir, wanted.values["author"].__contains__)
    scope = Scope(media=set(wanted.values["media"]))
    wanted.names("media", *samples.values(), *_stored(build_dir, scope.media))
    scope.media |= _looking_like(build_dir, wanted, bits)
    for post in read_posts(build_dir):
        addresses = (canonical_url(post["url"]), canonical_url(post["permalink"]))
        named = wanted.names("id", post["id"], post["native_id"])
        named |= wanted.names("url", *addresses)
        if named | wanted.names("author", authors.get(("post", post["id"]))):
            scope.posts.add(post["id"])
    scope.posts |= {s for s, sha in samples.items() if sha in scope.media or wanted.names("id", s)}
    for moved in read_origins(build_dir):
        named = wanted.names("id", moved["origin"], moved["native"])
        named |= wanted.names("url", moved["address"])
        if named | wanted.names("author", moved["origin_author"]):
            scope.posts.add(moved["origin"])
            scope.comments.add(moved["id"])
    for comment in read_comments(build_dir):
        named = wanted.names("id", comment["id"])
        named |= wanted.names("author", authors.get(("comment", comment["id"])))
        if named or comment["post_id"] in scope.posts:
            scope.comments.add(comment["id"])
    _add_dropped(build_dir, wanted, scope)
    _fill_media(build_dir, samples, scope)
    return scope


def _add_dropped(build_dir: Path, wanted: Wanted, scope: Scope) -> None:
    """What a rule had dropped: only the ledger names it, as an item or as a comment's post.

    A dropped item is found by its id and its address; what its author was called is not kept.
    """
    posts = {value if "-" in value else "": value for value in wanted.values["id"]}
    posts |= {f"{site}-{v}": v for v in wanted.values["id"] for site in ("reddit", "youtube")}
    for address in wanted.values["url"]:
        for site, stem in (("reddit", "reddit.com/comments/"), ("youtube", "youtube.com/watch?v=")):
            posts[f"{site}-{address.removeprefix(stem)}"] = address
    told = "(reason = 'no_post' OR starts_with(reason, 'post_dropped:'))"
    with duckdb.connect() as con:
        con.execute("SET enable_progress_bar=false")
        con.register("names", pa.table({"name": pa.array([*posts, *wanted.values["id"]])}))
        rows = con.execute(
            f"WITH seen AS (SELECT * FROM {ledger.table(build_dir)}) SELECT DISTINCT kind, id "
            "FROM seen SEMI JOIN names ON id = name WHERE kind IN ('post', 'comment') "
            f"UNION SELECT DISTINCT 'post', value FROM seen SEMI JOIN names ON value = name "
            f"WHERE kind = 'comment' AND {told}"
        ).fetchall()
        for kind, id in rows:
            if kind == "post" and id in posts:
                wanted.found.add(posts[id])
                scope.posts.add(id)
            elif kind == "comment" and wanted.names("id", id):
                scope.comments.add(id)
        con.register("gone", pa.table({"name": pa.array(sorted(scope.posts), pa.string())}))
        scope.comments |= {
            row[0]
            for row in con.execute(
                f"SELECT DISTINCT id FROM {ledger.table(build_dir)} SEMI JOIN gone "
                f"ON value = name WHERE kind = 'comment' AND {told}"
            ).fetchall()
        }


def refused(build_dir: Path, tombstones: Tombstones) -> Scope:
    """Posts and comments of the text stage that tombstones refuse."""
    authors: dict[tuple[str, str], str] = {}
    if tombstones.entries["author"]:
        known = lru_cache(maxsize=1 << 16)(partial(tombstones.refuses, "author"))
        authors = written_by(build_dir, known)
    scope = Scope()
    for post in read_posts(build_dir):
        if ("post", post["id"]) in authors or tombstones.refuses_post(post):
            scope.posts.add(post["id"])
    for moved in read_origins(build_dir):
        ids = any(tombstones.refuses("id", moved[key]) for key in ("origin", "native"))
        by_author = tombstones.refuses("author", moved["origin_author"])
        if ids or by_author or tombstones.refuses("url", moved["address"]):
            scope.comments.add(moved["id"])
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


def _stored(build_dir: Path, wanted: set[str]) -> Iterator[str]:
    """Those of these hashes that a media store knows, shown by a sample or not."""
    for store in record_stores(build_dir):
        yield from (sha for sha in wanted if any(store.folder.glob(f"??/{sha}.tar")))


def _looking_like(build_dir: Path, wanted: Wanted, bits: int) -> set[str]:
    """Hashes of stored media with a signature near a wanted one."""
    found: set[str] = set()
    looks = wanted.values["phash"]
    if not looks:
        return found
    for store in record_stores(build_dir):
        for path in sorted(store.folder.glob("??/*.tar")):
            record = store.read(path.stem)
            mine = record_bits(record)
            alike = {other for other in looks if any(near(one, other, bits) for one in mine)}
            if wanted.names("phash", *alike):
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
