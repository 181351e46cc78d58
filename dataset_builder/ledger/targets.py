"""What a removal list names, by its kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dataset_builder.errors import UsageError
from dataset_builder.ledger.addresses import canonical_url, comment_of

KINDS = ("id", "url", "author", "media", "phash")
HEX64, HEX16 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Target:
    """One thing to forget, as the list names it."""

    kind: str
    value: str
    line: int = field(default=0, compare=False)


def read_targets(path: Path) -> list[Target]:
    """The list of `blift forget`: one per line, `kind value`, or a bare id, URL or hash.

    A bare 64-digit hash counts as media and as author, since both look so. # starts a comment.
    Raises UsageError at a line that is none of these, and where the list is no UTF-8 text.
    """
    targets: list[Target] = []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"--list {path}: {what}; give a text file, one target a line") from error
    for number, line in enumerate(lines, start=1):
        text = line.partition(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        kind, _, value = text.partition(" ")
        found = _targets(kind, value.strip()) if value else _guess(text)
        if found is None:
            raise UsageError(
                f"{path}:{number}: {text[:80]!r}: expected `KIND VALUE` with one of "
                f"{', '.join(KINDS)}, or a bare id, URL, sha256 or 16-digit perceptual hash"
            )
        targets += [replace(target, line=number) for target in found]
    return targets


def _targets(kind: str, value: str) -> list[Target] | None:
    if kind not in KINDS or not value:
        return None
    if kind == "url" and (comment := comment_of(value)):
        return [Target("id", comment)]
    if kind == "url":
        return [Target("url", canonical_url(value) or value)]
    shapes = {"media": HEX64, "phash": HEX16}
    if kind in shapes and not shapes[kind].fullmatch(value.lower()):
        return None
    return [Target(kind, value.lower() if kind in shapes else value)]


def _guess(text: str) -> list[Target] | None:
    if "://" in text:
        return _targets("url", text)
    if HEX64.fullmatch(text.lower()):
        return [Target("media", text.lower()), Target("author", text.lower())]
    if HEX16.fullmatch(text.lower()):
        return [Target("phash", text.lower())]
    if re.fullmatch(r"[0-9A-Za-z_.-]{1,128}", text):
        return [Target("id", text)]
    return None


def values_of(targets: Sequence[Target], kind: str) -> set[str]:
    """The values of one kind."""
    return {target.value for target in targets if target.kind == kind}
