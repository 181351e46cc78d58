"""Run annotators over checked media, in chunks; results are Parquet keyed by media hash.

A result file is written whole or not at all and names no machine, so parts of the work can run
elsewhere (`blift annotate --part 3/16`) and their files be copied together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.annotate.base import Annotator, MediaView
from dataset_builder.annotate.registry import AnnotatorChoice, load_annotator
from dataset_builder.atomic import atomic_file
from dataset_builder.decoder import DecodeLimits
from dataset_builder.media_record import RecordStore

CHUNK_MEDIA = 16
RESULTS = pa.schema([("sha256", pa.string()), ("value", pa.string())])


@dataclass(frozen=True)
class AnnotationTask:
    """One chunk of media (sha256, path of the original) for one annotator."""

    choice: AnnotatorChoice
    media: tuple[tuple[str, str], ...]
    records: Path
    result: Path
    limits: DecodeLimits
    window: int


def results_folder(work: Path, choice: AnnotatorChoice, records: Path) -> Path:
    """Where one annotator's results lie: its name, version and the scene settings decide."""
    text = f"{choice.field}|{choice.name}|{choice.version}|{records.name}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return work / "annotations" / f"{choice.field.replace('.', '-')}-{digest}"


def annotation_tasks(
    choice: AnnotatorChoice, media: dict[str, Path], work: Path, records: Path, limits: DecodeLimits
) -> list[AnnotationTask]:
    """Windows of the sorted media that lack a result.

    A window is always annotated whole: a model's last digits may depend on what shares its batch,
    so a run that was interrupted must form the same batches as one that was not.
    """
    folder = results_folder(work, choice, records)
    done = read_results(folder)
    ordered = sorted(media)
    tasks = []
    for at in range(0, len(ordered), CHUNK_MEDIA):
        window = ordered[at : at + CHUNK_MEDIA]
        if all(sha in done for sha in window):
            continue
        digest = hashlib.sha256("".join(window).encode()).hexdigest()[:16]
        chunk = tuple((sha, str(media[sha])) for sha in window)
        result = folder / f"{digest}.parquet"
        tasks.append(AnnotationTask(choice, chunk, records, result, limits, at // CHUNK_MEDIA))
    return tasks


def run_annotation_task(task: AnnotationTask) -> None:
    """Annotate one chunk and write its result file."""
    store = RecordStore(task.records)
    annotator: Annotator = load_annotator(task.choice)
    views = [_view(store, sha, Path(path), task.limits) for sha, path in task.media]
    values = [json.dumps(value, ensure_ascii=False) for value in annotator.annotate(views)]
    table = pa.table([[sha for sha, _ in task.media], values], schema=RESULTS)
    task.result.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(task.result) as file:
        pq.write_table(table, file)


def read_results(folder: Path) -> dict[str, Any]:
    """All results of one annotator by media hash."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        columns = (table.column("sha256").to_pylist(), table.column("value").to_pylist())
        found.update((sha, json.loads(value)) for sha, value in zip(*columns, strict=True))
    return found


def part_of(tasks: Sequence[AnnotationTask], part: int, parts: int) -> list[AnnotationTask]:
    """Every `parts`-th window from `part` (1-based): what one of several machines does."""
    return [task for task in tasks if task.window % parts == part - 1]


def _view(store: RecordStore, sha256: str, path: Path, limits: DecodeLimits) -> MediaView:
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
