"""The list of `blift forget`, applied to a published release: samples leave every file."""

import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.errors import ReleaseError

KINDS = ("id", "url", "author", "media", "phash")
BITS = 4  # perceptual hashes this near show the same picture, as in a build
YOUTUBE = {"youtube.com", "youtu.be", "youtube-nocookie.com", "m.youtube.com", "www.youtube.com"}


@dataclass(frozen=True)
class Wanted:
    """What a list names, by kind; `digest` can be told in public, the list cannot."""

    by_kind: dict[str, set[str]]
    digest: str = field(repr=False)
    lines: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {kind: len(values) for kind, values in self.by_kind.items() if values}


def read_list(path: Path) -> Wanted:
    """Read a list: `id X`, `url X`, `author X`, `media SHA256`, `phash HEX`, or the bare value.

    The digest is keyed with a random key in FILE.key, which stays at home: without it nobody can
    try ids against what is published. Raises: ReleaseError naming line and expectation.
    """
    if not path.is_file():
        raise ReleaseError(f"{path}: no such list; give the one `blift forget` took")
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.split("#")[0].strip() if not line.strip().startswith("http") else line.strip()
        if text:
            for kind, value in _targets(text, f"{path}:{number}"):
                found[kind].add(value)
    if not any(found.values()):
        raise ReleaseError(f"{path} names nothing; expected lines like `id reddit-abc`")
    key = path.with_name(f"{path.name}.key")
    if not key.is_file():
        key.write_bytes(secrets.token_bytes(32))
        key.chmod(0o600)
    digest = hmac.new(key.read_bytes(), path.read_bytes(), hashlib.sha256).hexdigest()
    return Wanted(found, digest, sum(len(v) for v in found.values()))


def _targets(text: str, where: str) -> list[tuple[str, str]]:
    kind, _, value = text.partition(" ")
    if kind in KINDS and value.strip():
        value = value.strip()
        return [(kind, address(value) if kind == "url" else value)]
    if "://" in text:
        return [("url", address(text))]
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return [("media", text.lower()), ("author", text.lower())]
    if re.fullmatch(r"[0-9a-fA-F]{16}", text):
        return [("phash", text.lower())]
    if re.fullmatch(r"[0-9A-Za-z_.-]{1,128}", text):
        return [("id", text)]
    raise ReleaseError(
        f"{where}: expected `id X`, `url X`, `author X`, `media SHA256` or `phash HEX`"
    )


def address(url: str) -> str:
    """One spelling of an address: host without www, no fragment; videos and posts by their id."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").removeprefix("www.").removeprefix("old.")
    query = parse_qs(parts.query)
    if (parts.hostname or "") in YOUTUBE and "v" in query:
        return f"youtube:{query['v'][0]}"
    if host == "youtu.be" or (host in YOUTUBE and parts.path.startswith(("/shorts/", "/embed/"))):
        return f"youtube:{parts.path.rstrip('/').rpartition('/')[2]}"
    post = re.search(r"/comments/([0-9a-z]+)", parts.path)
    if host.endswith("reddit.com") and post:
        return f"reddit:{post[1]}"
    if host == "redd.it":
        return f"reddit:{parts.path.strip('/')}"
    return f"{host}{parts.path.rstrip('/')}" + (f"?{parts.query}" if parts.query else "")


def matches(row: dict[str, Any], wanted: Wanted) -> str | None:
    """The kind by which a list names a sample, or a comment in it; None when it does not."""
    kinds = wanted.by_kind
    native = row["id"].partition("-")[2]
    if kinds["id"] & {row["id"], native} or kinds["id"] & set(row.get("comment_ids") or []):
        return "id"
    if kinds["url"] and kinds["url"] & {
        address(row[n]) for n in ("url", "permalink") if row.get(n)
    }:
        return "url"
    if row.get("media_sha256") in kinds["media"]:
        return "media"
    looks = [look for look in row.get("media_phash") or [] if look]
    if any(_near(look, other) for look in looks for other in kinds["phash"]):
        return "phash"
    return None


def _near(one: str, other: str) -> bool:
    return (int(one, 16) ^ int(other, 16)).bit_count() <= BITS


@dataclass
class Dropped:
    """What left: samples by the kind that named them, and the tables as they are now."""

    kinds: Counter[str] = field(default_factory=Counter)
    touched: list[str] = field(default_factory=list)


def drop_rows(table: Path, wanted: Wanted, dropped: Dropped) -> set[str]:
    """Rewrite one metadata file without what the list names; returns the ids that left."""
    rows = pq.read_table(table)
    named = {}
    for row in rows.to_pylist():
        kind = matches(row, wanted)
        if kind:
            named[row["id"]] = kind
    if named:
        dropped.kinds.update(named.values())
        gone = pa.array(sorted(named), pa.string())
        left = rows.filter(pc.invert(pc.is_in(rows["id"], value_set=gone)))
        if len(left):
            pq.write_table(left, table, compression="zstd", row_group_size=4096)
        else:
            table.unlink()
    return set(named)


def unresolved(wanted: Wanted) -> Sequence[str]:
    """Kinds that a published release cannot resolve: it holds no authors."""
    named_media = wanted.by_kind["media"]
    return sorted(wanted.by_kind["author"] - named_media)
