"""The rules on media: pure functions of what was found and what the post says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataset_builder.ledger.reasons import (
    CHANGED,
    DURATION_UNKNOWN,
    TOO_LONG,
    UNAVAILABLE,
    WRONG_KIND,
)
from dataset_builder.ledger.tombstones import near
from dataset_builder.media.record import MediaRecord, RecordStore
from dataset_builder.media.verdicts import JUDGED, Drop
from dataset_builder.settings import Settings

MATCHES = 0.75  # of the compared frames
SECOND = 1.0


@dataclass(frozen=True)
class Expected:
    """The media a release had: the same bytes, or looks that agree where sites re-encode."""

    sha256: str
    phash: tuple[str | None, ...]

    def met_by(self, record: MediaRecord, settings: Settings) -> bool:
        if record.sha256 == self.sha256:
            return True
        bits = settings.media.duplicate_bits or 0
        mine = [None if look is None else look[0] for look in record.signatures]
        pairs = [(a, b) for a, b in zip(mine, self.phash, strict=False) if a and b]
        return bool(pairs) and sum(near(a, b, bits) for a, b in pairs) >= MATCHES * len(pairs)


def _judge(
    row: Mapping[str, Any],
    looked_up: bool,
    store: RecordStore,
    settings: Settings,
    expected: Mapping[str, Expected],
) -> dict[str, Any]:
    """The row of JUDGED for one post. The order is the order of the rules."""
    file = row.get("refused"), row.get("refused_value")
    if row["path"] is None:
        file = row["missing"], row["missing_value"]
    drop: Drop | None = None
    has_file = row["path"] is not None and not file[0]
    hoped = expected.get(row["id"])
    if looked_up and not has_file:
        drop = (file[0] or UNAVAILABLE, file[1] or "")
    elif has_file and hoped and not hoped.met_by(store.read(row["sha256"]), settings):
        has_file = False
        drop = (CHANGED, row["sha256"])
    elif has_file and row["kind"] != row["media_type"]:
        has_file = False
        drop = (WRONG_KIND, f"the file is {_a(row['kind'])}, the post's media {row['media_type']}")
    if drop is not None and not settings.media.required:
        drop = None  # kept without media
    if drop is None:
        drop = _length(row, deciding_seconds(row, has_file), settings)
    usable = has_file and drop is None
    return {
        **{name: row.get(name) for name in JUDGED.names},
        "looked_up": looked_up,
        "file_reason": file[0],
        "file_value": file[1] or row.get("sha256"),
        "sha256": row["sha256"] if usable else None,
        "bits": row["bits"] if usable else None,
        "reason": drop[0] if drop else None,
        "value": drop[1] if drop else None,
    }


def deciding_seconds(row: Mapping[str, Any], has_file: bool) -> float | None:
    """The seconds by which a video is judged: the platform's, which the paper's limits are in.

    Files run on for some frames of sound. Only one that differs by a second or more from what the
    platform said is another video, and is judged by itself; one of which nothing was said, too:
    both in whole seconds, as the platforms count. Zero is no length (live and upcoming videos).
    """
    said, found = row["duration"] or None, (row["file_duration"] or None) if has_file else None
    if found is None or (said is not None and abs(found - said) < SECOND):
        return said
    return float(found // SECOND)


def _length(row: Mapping[str, Any], duration: float | None, settings: Settings) -> Drop | None:
    """The length rules for a video."""
    if row["media_type"] != "video":
        return None
    longest = longest_allowed(row["source"], settings)
    if duration is None and longest is not None and settings.media.duration_unknown == "drop":
        return DURATION_UNKNOWN, f"limit {longest:g} s"
    if duration is not None and longest is not None and duration > longest:
        return TOO_LONG, str(duration)
    return None


def _a(kind: str | None) -> str:
    return {"image": "an image", "video": "a video"}.get(kind or "", "nothing known")


def longest_allowed(source: str, settings: Settings) -> float | None:
    """Seconds a video of `source` may last by the dataset's rules."""
    section = {"reddit": settings.reddit, "youtube": settings.youtube}[source]
    return section.max_seconds
