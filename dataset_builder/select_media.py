"""The media rules: which posts have a usable file, and why the others do not.

Posts stay in Arrow; what is held per post is its id, its file's record and the reason it fell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dataset_builder.forget_rewrite import clean_verdicts
from dataset_builder.media import (
    MediaFolder,
    longest_allowed,
    loosest,
    media_tasks,
    read_verdicts,
    record_folder,
    run_media_task,
)
from dataset_builder.media_record import MediaRecord, RecordStore
from dataset_builder.rejected import (
    CHANGED,
    DURATION_UNKNOWN,
    NSFW,
    TOMBSTONE,
    TOO_LONG,
    UNAVAILABLE,
    WRONG_KIND,
)
from dataset_builder.settings import Settings
from dataset_builder.tasks import run_tasks
from dataset_builder.tombstones import Tombstones, near

POST_COLUMNS = [
    "id",
    "source",
    "media_type",
    "native_id",
    "media_key",
    "duration",
    "created",
    "group_key",
    "split",
]
MATCHES = 0.75  # of the compared frames
Drop = tuple[str, str]


@dataclass
class Selection:
    """`records` and `paths` of usable media by post id; `missing` says why a post has no file;
    `drops` of posts; `media_rows` for the ledger, one per looked-up item."""

    records: dict[str, MediaRecord] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, Drop] = field(default_factory=dict)
    drops: dict[str, Drop] = field(default_factory=dict)
    media_rows: list[dict[str, Any]] = field(default_factory=list)

    def media(self) -> dict[str, Path]:
        """sha256 -> a file with that content."""
        return {record.sha256: self.paths[post] for post, record in self.records.items()}


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


def select(
    posts: Sequence[Mapping[str, Any]],
    media_dir: Path | None,
    build_dir: Path,
    settings: Settings,
    workers: int,
    tombstones: Tombstones,
    expected: Mapping[str, Expected] | None,
) -> Selection:
    """Look up, examine and judge the media of `posts`; without a folder only lengths are judged."""
    selection = Selection()
    if media_dir is None:
        for post in posts:
            _judge_length(post, None, selection, settings)
        return selection
    found = _look_up(posts, MediaFolder(media_dir), selection)
    wanted: dict[Path, list[float | None]] = {}
    for post in posts:
        path = found[post["id"]]
        if path is not None:
            wanted.setdefault(path, []).append(longest_allowed(post["source"], settings))
    limits = {path: loosest(values) for path, values in wanted.items()}
    tasks = media_tasks(limits, record_folder(build_dir / "work", settings), settings)
    run_tasks(run_media_task, tasks, workers, settings, build_dir, "media")
    verdicts = _refuse(read_verdicts(tasks), build_dir, settings, tombstones)
    for post in posts:
        path = found[post["id"]]
        record = verdicts.get(path) if path else None
        hoped = expected.get(post["id"]) if expected else None
        if hoped and record and record.reason is None and not hoped.met_by(record, settings):
            record = replace(record, reason=CHANGED, value=record.sha256)
        _judge(post, path, record, selection, settings)
    selection.media_rows = list(_media_rows(posts, found, verdicts, selection))
    return selection


def _refuse(
    verdicts: dict[Path, MediaRecord], build_dir: Path, settings: Settings, tombstones: Tombstones
) -> dict[Path, MediaRecord]:
    """Forgotten files count as unusable, and nothing of them stays in the store."""
    if not tombstones:
        return verdicts
    store = RecordStore(record_folder(build_dir / "work", settings))
    found: dict[Path, MediaRecord] = {}
    gone: set[str] = set()
    for path, record in verdicts.items():
        bits = [signature[0] for signature in record.signatures if signature]
        looks = tombstones.refuses_looks(bits, settings.media.duplicate_bits or 0)
        if looks or tombstones.refuses("media", record.sha256):
            store.remove(record.sha256)
            gone.add(record.sha256)
            record = replace(record, reason=TOMBSTONE, value="", signatures=())
        found[path] = record
    clean_verdicts(store.folder / "verdicts", gone)
    return found


def drop_nsfw(
    selection: Selection, results: Sequence[tuple[Any, Mapping[str, Any]]], settings: Settings
) -> None:
    """Drop posts whose media an NSFW annotator put above `media.max_nsfw`."""
    limit = settings.media.max_nsfw
    for choice, values in results:
        if choice.field != "nsfw" or limit is None:
            continue
        for post, record in list(selection.records.items()):
            score = values.get(record.sha256)
            if score is not None and score > limit:
                selection.drops[post] = (NSFW, f"{score:.3f}")
                del selection.records[post]


def hide_refused(
    rows: Iterable[dict[str, Any]], tombstones: Tombstones
) -> Iterator[dict[str, Any]]:
    """Ledger rows in which forgotten posts and files are counted, not named."""
    for row in rows:
        if row["reason"] == TOMBSTONE:
            hidden = tombstones.hidden_id(row["kind"], row["id"])
            yield {**row, "id": hidden, "value": None}
        else:
            yield row


def _look_up(
    posts: Sequence[Mapping[str, Any]], folder: MediaFolder, selection: Selection
) -> dict[str, Path | None]:
    """The file of every post, or why it has none: what fetching it said, else unavailable."""
    found: dict[str, Path | None] = {}
    for post in posts:
        names = (post["id"], post["native_id"], post["media_key"])
        found[post["id"]] = folder.find(*names)
        if found[post["id"]] is None:
            key = post["media_key"] or post["native_id"]
            selection.missing[post["id"]] = folder.why_not(*names) or (UNAVAILABLE, key)
    return found


def _judge(
    post: Mapping[str, Any],
    path: Path | None,
    record: MediaRecord | None,
    selection: Selection,
    settings: Settings,
) -> None:
    """Enter one post as usable or dropped. The order is the order of the rules."""
    drop: Drop | None = None
    if path is None or record is None:
        drop = selection.missing[post["id"]]
    elif record.reason is not None:
        drop = (record.reason, record.value or "")
    elif record.kind != post["media_type"]:
        drop = (WRONG_KIND, f"the file is {_a(record.kind)}, the post's media {post['media_type']}")
    if drop is None:
        assert path is not None
        assert record is not None
        if _judge_length(post, record, selection, settings):
            selection.records[post["id"]] = record
            selection.paths[post["id"]] = path
    elif settings.media.required:
        selection.drops[post["id"]] = drop
    else:
        _judge_length(post, None, selection, settings)


def _judge_length(
    post: Mapping[str, Any], record: MediaRecord | None, selection: Selection, settings: Settings
) -> bool:
    """Apply the length rules to a video; the file's own length counts before the dump's."""
    if post["media_type"] != "video":
        return True
    duration = record.duration if record else post["duration"]
    longest = longest_allowed(post["source"], settings)
    if duration is None and longest is not None and settings.media.duration_unknown == "drop":
        selection.drops[post["id"]] = (DURATION_UNKNOWN, f"limit {longest:g} s")
        return False
    if duration is not None and longest is not None and duration > longest:
        selection.drops[post["id"]] = (TOO_LONG, str(duration))
        return False
    return True


def _media_rows(
    posts: Sequence[Mapping[str, Any]],
    found: Mapping[str, Path | None],
    verdicts: Mapping[Path, MediaRecord],
    selection: Selection,
) -> Iterator[dict[str, Any]]:
    """One ledger row per looked-up item: several posts may show one video."""
    seen: set[tuple[str, str]] = set()
    for post in posts:
        key = (post["source"], post["media_key"] or post["native_id"])
        if key in seen:
            continue
        seen.add(key)
        path = found[post["id"]]
        record = verdicts.get(path) if path else None
        if record is None:
            reason, value = selection.missing[post["id"]]
        else:
            reason, value = record.reason or "", record.value or record.sha256
        yield {
            "stage": "media",
            "kind": "media",
            "id": key[1],
            "source": post["source"],
            "media_type": post["media_type"],
            "kept": not reason,
            "reason": reason or None,
            "value": value,
        }


def _a(kind: str | None) -> str:
    return {"image": "an image", "video": "a video"}.get(kind or "", "nothing known")
