"""The media rules: which posts have a usable file, and why the others do not.

Three passes over files on disk: look up (a file for each post), examine (each file once), judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataset_builder.forget_rewrite import clean_verdicts
from dataset_builder.judged import EXAMINED, JUDGED, LOOKED_UP, Drop, Judged, Rows, read_rows
from dataset_builder.media import (
    CHUNK_FILES,
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
WINDOW = 4096 * CHUNK_FILES  # files examined in one go: what must be held of them is small


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
    build_dir: Path,
    media_dir: Path | None,
    settings: Settings,
    workers: int,
    tombstones: Tombstones,
    expected: Mapping[str, Expected] | None = None,
) -> Judged:
    """Look up, examine and judge the posts' media; without a folder only lengths are judged."""
    judged = Judged(build_dir, settings)
    posts = build_dir / "work" / "text" / "posts.parquet"
    looked_up = judged.folder / "looked_up.parquet"
    _look_up(posts, None if media_dir is None else MediaFolder(media_dir), looked_up)
    columns = [*LOOKED_UP.names]
    if media_dir is None:
        found = read_rows(looked_up, columns)
    else:
        examined = judged.folder / "examined.parquet"
        _examine(judged, looked_up, examined, workers, tombstones)
        found = judged.rows(
            f"SELECT * FROM read_parquet('{_quoted(looked_up)}') l LEFT JOIN "
            f"read_parquet('{_quoted(examined)}') e USING (path) ORDER BY id"
        )
    store = RecordStore(record_folder(build_dir / "work", settings))
    with Rows(judged.path, JUDGED) as rows:
        for row in found:
            rows.add(_judge(row, media_dir is not None, store, settings, expected or {}))
    return judged


def _look_up(posts: Path, folder: MediaFolder | None, out: Path) -> None:
    """The file of every post, or why it has none: what fetching it said, else unavailable."""
    with Rows(out, LOOKED_UP) as rows:
        for post in read_rows(posts, POST_COLUMNS):
            row = {**post, "key": post["media_key"] or post["native_id"]}
            if folder is not None:
                names = (post["id"], post["native_id"], post["media_key"])
                path = folder.find(*names)
                if path is None:
                    missing = folder.why_not(*names) or (UNAVAILABLE, row["key"])
                    row["missing"], row["missing_value"] = missing
                else:
                    row["path"] = str(path)
            rows.add({name: row.get(name) for name in LOOKED_UP.names})


def _examine(
    judged: Judged, looked_up: Path, out: Path, workers: int, tombstones: Tombstones
) -> None:
    """Examine each file once. Forgotten ones count as unusable, and nothing of them stays."""
    settings = judged.settings
    folder = record_folder(judged.layout.work, settings)
    store, gone = RecordStore(folder), set()
    with Rows(out, EXAMINED) as rows:
        for wanted in _windows(judged, looked_up):
            tasks = media_tasks(wanted, folder, settings)
            run_tasks(run_media_task, tasks, workers, settings, judged.layout.root, "media")
            for path, record in read_verdicts(tasks):
                bits = [look[0] for look in record.signatures if look]
                looks = tombstones.refuses_looks(bits, settings.media.duplicate_bits or 0)
                if looks or tombstones.refuses("media", record.sha256):
                    store.remove(record.sha256)
                    gone.add(record.sha256)
                    record = replace(record, reason=TOMBSTONE, value="", signatures=())
                rows.add(_examined(path, record))
    if gone:
        clean_verdicts(folder / "verdicts", gone)


def _windows(judged: Judged, looked_up: Path) -> Iterator[dict[Path, float | None]]:
    """File -> longest length in seconds any of its posts allows, sorted by file, in parts."""
    window: dict[Path, float | None] = {}
    query = (
        "SELECT path, list_sort(list(DISTINCT source)) AS sources FROM "
        f"read_parquet('{_quoted(looked_up)}') WHERE path IS NOT NULL GROUP BY path ORDER BY path"
    )
    for row in judged.rows(query):
        limits = [longest_allowed(source, judged.settings) for source in row["sources"]]
        window[Path(row["path"])] = loosest(limits)
        if len(window) == WINDOW:
            yield window
            window = {}
    if window:
        yield window


def _examined(path: Path, record: MediaRecord) -> dict[str, Any]:
    return {
        "path": str(path),
        "sha256": record.sha256,
        "kind": record.kind,
        "file_duration": record.duration,
        "refused": record.reason,
        "refused_value": record.value,
        "bits": [None if look is None else int(look[0], 16) for look in record.signatures],
    }


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
        drop = _length(row, row["file_duration"] if has_file else row["duration"], settings)
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


def _length(row: Mapping[str, Any], duration: float | None, settings: Settings) -> Drop | None:
    """The length rules for a video; the file's own length counts before the dump's."""
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


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
