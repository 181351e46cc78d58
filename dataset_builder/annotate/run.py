"""Run annotators over checked media, in chunks; results are Parquet keyed by media hash.

A result file is written whole or not at all and names no machine, so parts of the work can run
elsewhere (`blift annotate --part 3/16`) and their files be copied together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.annotate.base import Annotator, MediaView
from dataset_builder.annotate.registry import (
    ANNOTATORS,
    AnnotatorChoice,
    choose_annotators,
    load_annotator,
)
from dataset_builder.errors import BuildError, UsageError
from dataset_builder.ledger.tombstones import load_tombstones
from dataset_builder.media.examine import record_folder
from dataset_builder.media.passes import select
from dataset_builder.media.record import RecordStore
from dataset_builder.media.verdicts import Verdicts
from dataset_builder.run.dispatch import run_tasks
from dataset_builder.sections import Media
from dataset_builder.settings import Settings
from dataset_builder.work.whole_files import whole_file

CHUNK_MEDIA = 16
MEDIA_WINDOW = 4096 * CHUNK_MEDIA  # media whose tasks are held at once
RESULTS = pa.schema([("sha256", pa.string()), ("value", pa.string())])


@dataclass(frozen=True)
class AnnotationTask:
    """One chunk of media (sha256, path of the original) for one annotator."""

    choice: AnnotatorChoice
    media: tuple[tuple[str, str], ...]
    records: Path
    result: Path
    limits: Media
    window: int


def results_folder(work: Path, choice: AnnotatorChoice, records: Path) -> Path:
    """Where one annotator's results lie: its name, version and the scene settings decide."""
    text = f"{choice.field}|{choice.name}|{choice.version}|{records.name}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return work / "annotations" / f"{choice.field.replace('.', '-')}-{digest}"


def annotation_tasks(
    choice: AnnotatorChoice,
    media: dict[str, Path],
    done: np.ndarray,
    work: Path,
    records: Path,
    limits: Media,
    first: int = 0,
) -> list[AnnotationTask]:
    """Windows of the sorted media that lack a result in `done`; the first is number `first`.

    A window is always annotated whole: a model's last digits may depend on what shares its batch,
    so a run that was interrupted must form the same batches as one that was not.
    """
    folder = results_folder(work, choice, records)
    ordered = sorted(media)
    tasks = []
    for at in range(0, len(ordered), CHUNK_MEDIA):
        window = ordered[at : at + CHUNK_MEDIA]
        if np.isin(np.array(window, "S64"), done).all():
            continue
        digest = hashlib.sha256("".join(window).encode()).hexdigest()[:16]
        chunk = tuple((sha, str(media[sha])) for sha in window)
        result = folder / f"{digest}.parquet"
        number = first + at // CHUNK_MEDIA
        tasks.append(AnnotationTask(choice, chunk, records, result, limits, number))
    return tasks


def run_annotation_task(task: AnnotationTask) -> None:
    """Annotate one chunk and write its result file."""
    store = RecordStore(task.records)
    annotator: Annotator = load_annotator(task.choice)
    views = [_view(store, sha, Path(path), task.limits) for sha, path in task.media]
    values = [json.dumps(value, ensure_ascii=False) for value in annotator.annotate(views)]
    table = pa.table([[sha for sha, _ in task.media], values], schema=RESULTS)
    task.result.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(task.result) as file:
        pq.write_table(table, file)


def annotated(folder: Path) -> np.ndarray:
    """The hashes of all media that one annotator has results for, as bytes, sorted."""
    found = [
        np.array(pq.read_table(path, columns=["sha256"]).column(0).to_pylist(), "S64")
        for path in folder.glob("*.parquet")
    ]
    return np.unique(np.concatenate(found)) if found else np.array([], "S64")


def read_file(path: Path) -> Iterator[tuple[str, Any]]:
    """(media hash, value) of one file of results."""
    table = pq.read_table(path)
    columns = (table.column("sha256").to_pylist(), table.column("value").to_pylist())
    yield from ((sha, json.loads(value)) for sha, value in zip(*columns, strict=True))


def part_of(tasks: Sequence[AnnotationTask], part: int, parts: int) -> list[AnnotationTask]:
    """Every `parts`-th window from `part` (1-based): what one of several machines does."""
    return [task for task in tasks if task.window % parts == part - 1]


def _view(store: RecordStore, sha256: str, path: Path, limits: Media) -> MediaView:
    record = store.read(sha256)
    return MediaView(
        sha256=sha256,
        kind=record.kind or "",
        duration=record.duration,
        has_audio=record.has_audio,
        path=path,
        load_frames=partial(store.pictures, sha256),
        limits=limits,
    )


def annotate_media(
    judged: Verdicts,
    chosen: Sequence[AnnotatorChoice],
    workers: int,
    part: tuple[int, int] = (1, 1),
) -> list[tuple[AnnotatorChoice, list[Path], int]]:
    """Run annotators over media they have not seen, or over one part of those.

    Returns, for each, the files with all its results and how many media it saw now.
    """
    settings, work = judged.settings, judged.layout.work
    records, limits = record_folder(work, settings), settings.media
    results = []
    for choice in chosen:
        folder = results_folder(work, choice, records)
        done, first, made = annotated(folder), 0, 0
        for media in judged.media(MEDIA_WINDOW):
            tasks = annotation_tasks(choice, media, done, work, records, limits, first)
            mine = part_of(tasks, *part)
            run_tasks(
                run_annotation_task,
                mine,
                workers,
                settings,
                judged.layout.root,
                choice.field,
                loads_model=True,
            )
            first += len(media) // CHUNK_MEDIA
            made += sum(len(task.media) for task in mine)
        results.append((choice, sorted(folder.glob("*.parquet")), made))
    return results


def annotate_build(
    build_dir: Path,
    media_dir: Path,
    settings: Settings,
    only: str | None,
    part: tuple[int, int],
    workers: int,
) -> dict[str, Any]:
    """Run this part of the annotation; `blift build` then finds the results done.

    Parts are cut from all the media, whatever is done already: give each machine a copy of the
    build folder, and copy `work/annotations` back together.
    """
    if only is not None and only not in ANNOTATORS:
        raise UsageError(f"--annotator {only!r}: expected one of {', '.join(ANNOTATORS)}")
    path = build_dir / "work" / "text" / "posts.parquet"
    if not path.is_file():
        raise BuildError(f"{path}: no such file; run `blift build` first")
    tombstones = load_tombstones(build_dir)
    chosen, absent = choose_annotators(settings)
    if only in absent:
        raise BuildError(f"annotator {only} cannot run here: {absent[only]}")
    judged = select(build_dir, media_dir, settings, workers, tombstones)
    try:
        wanted = [choice for choice in chosen if only in (None, choice.kind)]
        found = {choice.kind: annotate_media(judged, [choice], workers, part) for choice in wanted}
        media = sum(len(window) for window in judged.media(MEDIA_WINDOW))
    finally:
        judged.close()
    done = {kind: sum(made for _, _, made in rows) for kind, rows in found.items()}
    return {"media": media, "annotated": done, "absent": absent}
