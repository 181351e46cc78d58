"""A whole build: dumps and media in, a release and its ledger out."""

import time
from pathlib import Path
from typing import Any

from dataset_builder import vocabulary
from dataset_builder.errors import BuildError
from dataset_builder.funnel.counts import totals_of
from dataset_builder.pipeline.text_stage import Request, check, partitions, text_stage
from dataset_builder.read.inputs import find_inputs
from dataset_builder.rules import order
from dataset_builder.settings import Settings
from dataset_builder.work.claim import exclusive
from dataset_builder.work.layout import Layout
from dataset_builder.work.partitions import items_read


def build(request: Request, settings: Settings) -> dict[str, Any]:
    """Run every stage; returns the counts of the release, for `--json`.

    Raises BuildError (and its kinds) with one clear message when the build cannot go on.
    """
    layout = Layout(request.out.absolute())
    check(request, settings)
    with exclusive(layout):
        inputs, seconds = text_stage(request, settings)
        from dataset_builder.pipeline.media_stage import media_stage  # the text stage needs less

        started = time.perf_counter()
        summary = media_stage(request.out, request.media, settings, inputs, request.workers)
        seconds["finish"] = time.perf_counter() - started
        totals = totals_of(request.out)
        _check_balance(layout, totals)
        disk = _disk(request.out)
        if not settings.build.keep_work:
            layout.forget_intermediate()
    return {
        "out": str(request.out),
        "root": summary.root,
        "samples": summary.samples,
        "comments": summary.comments,
        "files": summary.files,
        "bytes": summary.bytes,
        "ledger": totals,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_disk": disk,
    }


def _disk(folder: Path) -> int:
    """Bytes of all files of the build while its intermediate files are still there."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _check_balance(layout: Layout, totals: dict[str, dict[str, int]]) -> None:
    """Every item read has its ledger row. Raises BuildError otherwise: a defect, not a user's."""
    for kind, read in items_read(layout).items():
        written = totals.get(kind, {"in": 0})["in"]
        if written != read:
            raise BuildError(
                f"the ledger has {written:,} rows of kind {kind} for {read:,} read; "
                "please report this build, and do not publish it"
            )


def plan(request: Request, settings: Settings) -> dict[str, Any]:
    """What `build` would do, without writing anything."""
    check(request, settings)
    inputs = find_inputs(None, *request.files())
    return {
        "inputs": [source.digest.as_dict() for source in inputs.every()],
        "partitions": partitions(inputs.bytes(), settings),
        "workers": request.workers,
        "executor": settings.build.executor,
        "rules": order.describe(settings),
        "vocabularies": vocabulary.versions(),
        "settings": settings.as_dict(),
    }
