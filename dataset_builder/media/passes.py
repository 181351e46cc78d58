"""The media rules: which posts have a usable file, and why the others do not.

Three passes over files on disk: look up (a file for each post), examine (each file once), judge.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataset_builder.errors import BuildError
from dataset_builder.fetch.placeholders import seen_placeholder
from dataset_builder.ledger.reasons import FORGOTTEN, NAMING, UNAVAILABLE
from dataset_builder.ledger.tombstones import Tombstones
from dataset_builder.media.examine import (
    CHUNK_FILES,
    clean_verdicts,
    loosest,
    media_tasks,
    read_verdicts,
    record_folder,
    run_media_task,
)
from dataset_builder.media.folder import NAMES_SHOWN, MediaFolder
from dataset_builder.media.judge import Expected, _judge, longest_allowed
from dataset_builder.media.record import MediaRecord, RecordStore
from dataset_builder.media.verdicts import EXAMINED, JUDGED, LOOKED_UP, Verdicts
from dataset_builder.run.dispatch import run_tasks
from dataset_builder.settings import Settings
from dataset_builder.work.sql import quote
from dataset_builder.work.tables import Rows, read_rows

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
WINDOW = 4096 * CHUNK_FILES  # files examined in one go: what must be held of them is small


def select(
    build_dir: Path,
    media_dir: Path | None,
    settings: Settings,
    workers: int,
    tombstones: Tombstones,
    expected: Mapping[str, Expected] | None = None,
) -> Verdicts:
    """Look up, examine and judge the posts' media; without a folder only lengths are judged."""
    judged = Verdicts(build_dir, settings)
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
            f"SELECT * FROM read_parquet({quote(looked_up)}) l LEFT JOIN "
            f"read_parquet({quote(examined)}) e USING (path) ORDER BY id"
        )
    store = RecordStore(record_folder(build_dir / "work", settings))
    with Rows(judged.path, JUDGED) as rows:
        for row in found:
            rows.add(_judge(row, media_dir is not None, store, settings, expected or {}))
    return judged


def _look_up(posts: Path, folder: MediaFolder | None, out: Path) -> None:
    """The file of every post, or why it has none: what fetching it said, else unavailable.

    Raises BuildError where a folder was given and no post has a file in it.
    """
    every, missed = 0, list[str]()
    with Rows(out, LOOKED_UP) as rows:
        for post in read_rows(posts, POST_COLUMNS):
            row = {**post, "key": post["media_key"] or post["native_id"]}
            every += 1
            if folder is not None:
                names = (post["id"], post["native_id"], post["media_key"])
                path = folder.find(post["media_type"], *names)
                if path is None:
                    missed.append(post["id"])
                    missing = folder.why_not(*names) or (UNAVAILABLE, row["key"])
                    row["missing"], row["missing_value"] = missing
                else:
                    row["path"] = str(path)
            rows.add({name: row.get(name) for name in LOOKED_UP.names})
    if folder is not None and missed and not folder.is_store:
        if len(missed) == every:
            raise BuildError(folder.nothing_of(missed[:NAMES_SHOWN]))
        said = f"{len(missed):,} of {every:,} posts have no file in {folder.folder}"
        print(f"blift: {said}, {missed[0]} is the first. {NAMING}.", file=sys.stderr)


def _examine(
    judged: Verdicts, looked_up: Path, out: Path, workers: int, tombstones: Tombstones
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
                    record = replace(record, reason=FORGOTTEN, value="", signatures=())
                elif gone_from := _placeholder(record, settings):
                    record = replace(record, reason=UNAVAILABLE, value=gone_from)
                rows.add(_examined(path, record))
    if gone:
        clean_verdicts(folder / "verdicts", gone)


def _placeholder(record: MediaRecord, settings: Settings) -> str | None:
    """What a sound picture is that stands for one the host no longer has."""
    if record.reason is not None or record.kind != "image":
        return None
    size = record.width, record.height, record.bytes
    return seen_placeholder(*size, record.sha256, settings.media.placeholders)


def _windows(judged: Verdicts, looked_up: Path) -> Iterator[dict[Path, float | None]]:
    """File -> longest length in seconds any of its posts allows, sorted by file, in parts."""
    window: dict[Path, float | None] = {}
    query = (
        "SELECT path, list_sort(list(DISTINCT source)) AS sources FROM "
        f"read_parquet({quote(looked_up)}) WHERE path IS NOT NULL GROUP BY path ORDER BY path"
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
