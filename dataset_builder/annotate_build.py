"""`blift annotate`: annotators over a build's media, apart from the build, in parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset_builder.annotate.registry import ANNOTATORS, AnnotatorChoice, choose_annotators
from dataset_builder.annotate.run import (
    CHUNK_MEDIA,
    MEDIA_WINDOW,
    annotated,
    annotation_tasks,
    part_of,
    results_folder,
    run_annotation_task,
)
from dataset_builder.decoder import DecodeLimits
from dataset_builder.errors import BuildError, UsageError
from dataset_builder.judged import Judged
from dataset_builder.media import record_folder
from dataset_builder.select_media import select
from dataset_builder.settings import Settings
from dataset_builder.tasks import run_model_tasks
from dataset_builder.tombstones import load_tombstones


def annotate_media(
    judged: Judged,
    chosen: Sequence[AnnotatorChoice],
    workers: int,
    part: tuple[int, int] = (1, 1),
) -> list[tuple[AnnotatorChoice, list[Path], int]]:
    """Run annotators over media they have not seen, or over one part of those.

    Returns, for each, the files with all its results and how many media it saw now.
    """
    settings, work = judged.settings, judged.layout.work
    records, limits = record_folder(work, settings), DecodeLimits.from_settings(settings)
    results = []
    for choice in chosen:
        folder = results_folder(work, choice, records)
        done, first, made = annotated(folder), 0, 0
        for media in judged.media(MEDIA_WINDOW):
            tasks = annotation_tasks(choice, media, done, work, records, limits, first)
            mine = part_of(tasks, *part)
            run_model_tasks(
                run_annotation_task, mine, workers, settings, judged.layout.root, choice.field
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
