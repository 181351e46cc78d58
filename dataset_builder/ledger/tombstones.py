"""What must never come back: salted hashes of forgotten ids, URLs, authors and files.

`OUT/tombstones.jsonl` starts with its salt; with `build.tombstones=OUT` another build obeys it from
the first line it reads, with the key that the author hashes need. Only perceptual hashes stand as
they are, since nearness cannot be tested on a salted hash; they do not give the picture back.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataset_builder.errors import BuildError
from dataset_builder.ledger.addresses import canonical_url
from dataset_builder.ledger.targets import KINDS, Target
from dataset_builder.work.whole_files import write_bytes

NAME = "tombstones.jsonl"
TAIL = 16
YOUTUBE_ID = 11


@dataclass
class Tombstones:
    """The refused hashes of one build folder; an empty one refuses nothing."""

    salt: str
    entries: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    key: str | None = None  # fingerprint of the author key that `author` entries were made with

    def __bool__(self) -> bool:
        return any(self.entries.values())

    def digest(self, kind: str, value: str) -> str:
        """The salted hash under which `value` is refused."""
        return hashlib.sha256(f"{self.salt}{kind}:{value}".encode()).hexdigest()

    def hashes(self, kind: str) -> list[str]:
        return sorted(self.entries[kind])

    def refuses(self, kind: str, value: str | None) -> bool:
        return value is not None and self.digest(kind, value) in self.entries[kind]

    def refuses_post(self, post: Mapping[str, Any]) -> bool:
        """Whether a post's id or address was forgotten."""
        urls = [canonical_url(post.get(key)) for key in ("url", "permalink")]
        return (
            self.refuses("id", post["id"])
            or self.refuses("id", post.get("native_id"))
            or any(self.refuses("url", url) for url in urls)
        )

    def refuses_looks(self, bits: Iterable[str | None], max_distance: int) -> bool:
        """Whether one of these perceptual hashes is near a forgotten one."""
        return any(
            near(mine, other, max_distance)
            for mine in bits
            for other in self.entries["phash"]
            if mine is not None
        )

    def add(self, targets: Iterable[Target]) -> None:
        for target in targets:
            plain = target.kind == "phash"
            entry = target.value if plain else self.digest(target.kind, target.value)
            self.entries[target.kind].add(entry)

    def hidden_id(self, kind: str, value: str) -> str:
        """What the ledger shows instead of the id of something forgotten."""
        return f"forgotten-{self.digest(kind, value)[:TAIL]}"

    def hidden_name(self, name: str) -> str:
        """A file's name, or what stands for it where a forgotten id is part of it.

        yt-dlp names files `Title [ID].info.json`, older ones `Title-ID.info.json`.
        """
        words = re.findall(r"[0-9A-Za-z_-]+", name)
        parts = {part for word in words for part in (word, word[-YOUTUBE_ID:])}
        named = (f"{source}{part}" for part in parts for source in ("", "reddit-", "youtube-"))
        if any(self.refuses("id", id) for id in named):
            return self.hidden_id("file", name) + "".join(Path(name).suffixes[-2:])
        return name

    def save(self, build_dir: Path) -> None:
        if self.entries["author"] and self.key is None:
            self.key = key_fingerprint(build_dir)
        first = {"salt": self.salt, **({"key": self.key} if self.key else {})}
        lines = [first]
        lines += [{"kind": k, "hash": h} for k in KINDS for h in self.hashes(k)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_bytes(build_dir / NAME, text.encode())


def load_tombstones(build_dir: Path, name: str = NAME) -> Tombstones:
    """The tombstones of a build folder; a fresh salt where there are none yet."""
    path = build_dir / name
    if not path.is_file():
        return Tombstones(secrets.token_hex(16))
    try:
        first, *rest = (json.loads(line) for line in path.read_text("utf-8").splitlines())
        found = Tombstones(first["salt"], key=first.get("key"))
        for line in rest:
            found.entries[line["kind"]].add(line["hash"])
    except (ValueError, KeyError) as error:
        raise BuildError(
            f"{path} is damaged ({error}); restore it: without it forgotten items would come back"
        ) from error
    return found


def key_fingerprint(build_dir: Path) -> str | None:
    """What tells one author key from another without giving it away; None where there is none."""
    path = build_dir / "work" / "author.key"
    if not path.is_file():
        return None
    return hashlib.sha256(b"fingerprint of " + path.read_bytes()).hexdigest()[:TAIL]


def tombstone_digest(build_dir: Path) -> str | None:
    """SHA-256 of the tombstone file: another one makes another text stage."""
    path = build_dir / NAME
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def near(a: str, b: str, max_distance: int) -> bool:
    """Whether two perceptual hashes (16 hex digits) differ in at most that many bits."""
    return (int(a, 16) ^ int(b, 16)).bit_count() <= max_distance
