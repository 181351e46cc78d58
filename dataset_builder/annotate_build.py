"""`blift annotate`: annotators over a build's media, apart from the build, in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset_builder.annotate.registry import ANNOTATORS, choose_annotators
from dataset_builder.annotate.run import annotation_tasks, part_of, run_annotation_task
from dataset_builder.decoder import DecodeLimits
from dataset_builder.errors import BuildError, UsageError
from dataset_builder.media import record_folder
from dataset_builder.select_media import POST_COLUMNS, select
from dataset_builder.settings import Settings
from dataset_builder.tasks import run_tasks
from dataset_builder.tombstones import load_tombstones


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
    posts = pq.read_table(path, columns=POST_COLUMNS).to_pylist()
    tombstones = load_tombstones(build_dir)
    media = select(posts, media_dir, build_dir, settings, workers, tombstones, None).media()
    chosen, absent = choose_annotators(settings)
    done: dict[str, int] = {}
    for choice in chosen:
        if only in (None, choice.kind):
            records = record_folder(build_dir / "work", settings)
            limits = DecodeLimits.from_settings(settings)
            tasks = annotation_tasks(choice, media, build_dir / "work", records, limits)
            mine = part_of(tasks, *part)
            run_tasks(run_annotation_task, mine, workers, settings, build_dir, choice.field)
            done[choice.kind] = sum(len(task.media) for task in mine)
    if only in absent:
        raise BuildError(f"annotator {only} cannot run here: {absent[only]}")
    return {"media": len(media), "annotated": done, "absent": absent}
