"""From posts to usable media: find the file, check it, cut it into scenes, all under limits.

One chunk of files is one task; a chunk's verdicts are one JSON file, and each file's facts one
record under its sha256, so a killed build goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataset_builder.decode.decoder import Decoder
from dataset_builder.ledger.reasons import RejectedMedia
from dataset_builder.media.folder import ids_of
from dataset_builder.media.record import MediaRecord, RecordStore
from dataset_builder.sections import Media, Scenes
from dataset_builder.settings import Settings
from dataset_builder.work.whole_files import file_sha256, write_bytes

CHUNK_FILES = 16
RECORDS = 3  # what a record holds; another number and files are examined anew


@dataclass(frozen=True)
class MediaFile:
    """A local file; cut into scenes only where `max_seconds` (None: any length) may keep it."""

    path: Path
    bytes: int
    mtime_ns: int
    max_seconds: float | None


@dataclass(frozen=True)
class MediaTask:
    """One chunk of files and where its results go; carries plain values across processes."""

    files: tuple[MediaFile, ...]
    verdicts: Path
    records: Path
    limits: Media
    rules: Scenes


def record_folder(work: Path, settings: Settings) -> Path:
    """Where records of these settings live: other limits or scene rules give other records."""
    parts: list[Any] = [asdict(settings.media), asdict(settings.scenes)]
    parts += [{"max": [settings.reddit.max_seconds, settings.youtube.max_seconds]}, RECORDS]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return work / "media" / digest[:12]


def media_tasks(
    wanted: dict[Path, float | None], folder: Path, settings: Settings
) -> list[MediaTask]:
    """The chunks of `wanted` (file -> longest length in seconds any of its posts allows)."""
    files = []
    for path in sorted(wanted):
        stat = path.stat()
        files.append(MediaFile(path, stat.st_size, stat.st_mtime_ns, wanted[path]))
    limits, rules = settings.media, settings.scenes
    tasks = []
    for at in range(0, len(files), CHUNK_FILES):
        chunk = tuple(files[at : at + CHUNK_FILES])
        name = hashlib.sha256(repr(chunk).encode()).hexdigest()[:24]
        verdicts = folder / "verdicts" / f"{name}.json"
        tasks.append(MediaTask(chunk, verdicts, folder, limits, rules))
    return tasks


def run_media_task(task: MediaTask) -> None:
    """Examine the files of one chunk and write `task.verdicts`; done chunks are skipped."""
    if task.verdicts.is_file():
        return
    store = RecordStore(task.records)
    verdicts = []
    with Decoder(task.limits) as decoder:
        for file in task.files:
            sha256 = file_sha256(file.path)
            if not _is_done(store, sha256, file.max_seconds):
                _examine(file, sha256, decoder, store, task.rules)
            verdicts.append([str(file.path), sha256])
    task.verdicts.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(task.verdicts, json.dumps(verdicts).encode())


def read_verdicts(tasks: Sequence[MediaTask]) -> Iterator[tuple[Path, MediaRecord]]:
    """The record of every file of finished `tasks`."""
    for task in tasks:
        store = RecordStore(task.records)
        for path, sha256 in json.loads(task.verdicts.read_bytes()):
            yield Path(path), store.read(sha256)


def loosest(limits: Iterable[float | None]) -> float | None:
    """The largest limit; None (no limit) is larger than any."""
    values = list(limits)
    return None if any(v is None for v in values) else max(v for v in values if v is not None)


def _is_done(store: RecordStore, sha256: str, max_seconds: float | None) -> bool:
    """Whether the record is there, with its scenes where they are wanted now."""
    if not store.has(sha256):
        return False
    record = store.read(sha256)
    wanted = record.kind == "video" and _short_enough(record.duration, max_seconds)
    return record.reason is not None or bool(record.scenes) or not wanted


def _short_enough(duration: float | None, max_seconds: float | None) -> bool:
    # up to the second by which a file may run on (`judge.deciding_seconds`)
    return max_seconds is None or (duration or 0.0) < max_seconds + 1


def _examine(
    file: MediaFile, sha256: str, decoder: Decoder, store: RecordStore, rules: Scenes
) -> None:
    """Decode one file and store its record, refusals included."""
    facts: dict[str, Any] = {}
    scratch = store.folder / "scratch"  # on the output's disk: a full one must be noticed
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as made:
        out = Path(made)
        try:
            facts = decoder.inspect(file.path, out)
            short = _short_enough(facts["duration"], file.max_seconds)
            if facts["kind"] == "video" and short:
                facts |= decoder.scenes(file.path, out, facts, rules)
        except RejectedMedia as rejected:
            facts |= {"reason": rejected.reason, "value": rejected.value}
        store.write(_facts(sha256, file.bytes, facts), out)


def _facts(sha256: str, size: int, found: dict[str, Any]) -> dict[str, Any]:
    """The record's fields that examination fills; the store adds its files."""
    return {
        "sha256": sha256,
        "bytes": size,
        "reason": found.get("reason"),
        "value": found.get("value"),
        "kind": found.get("kind"),
        "width": found.get("width"),
        "height": found.get("height"),
        "duration": found.get("duration"),
        "has_audio": found.get("has_audio", False),
        "scenes": found.get("scenes", []),
        "signatures": found.get("signatures", []),
        "bad_packets": found.get("bad_packets", 0),
    }


def clean_verdicts(folder: Path, media: set[str], names: Collection[str] = ()) -> None:
    """Chunks that name a forgotten file are examined again by the next build, without it."""
    gone = set(names)
    for path in sorted(folder.glob("*.json")):
        verdicts = json.loads(path.read_bytes())
        if any(sha in media or not gone.isdisjoint(ids_of(Path(f).name)) for f, sha in verdicts):
            path.unlink()
