"""The whole build: dumps in; posts, comments, ledger, release and funnel out.

read -> post rules -> duplicates -> comment rules -> merge -> media and shards (`finish`) ->
funnel. Every stage resumes from what is on disk.
"""

import secrets
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dataset_builder import rulebook, vocabulary
from dataset_builder.channels import read_channels
from dataset_builder.claim import BUILD, check_out
from dataset_builder.engine import Task, exclusive, run_stage
from dataset_builder.errors import BuildError
from dataset_builder.funnel import write_funnel
from dataset_builder.ingest import Reading, items_read
from dataset_builder.inputs import Inputs, find_files, find_inputs
from dataset_builder.language import check_mode
from dataset_builder.manifest import code_identity
from dataset_builder.merge import MERGES, merge
from dataset_builder.read_stage import read_stages
from dataset_builder.refusal import adopt_tombstones
from dataset_builder.select_comments import count_candidates, select_comments
from dataset_builder.select_posts import find_duplicates, select_posts
from dataset_builder.server import start_server
from dataset_builder.settings import Settings
from dataset_builder.tombstones import tombstone_digest
from dataset_builder.workdir import Layout, state_text, write_text

PARTITION_BYTES = 24 << 20
MAX_PARTITIONS = 1024
EVEN = 4  # so that 2 or 4 workers end together


@dataclass(frozen=True)
class Request:
    """What the command line asked for."""

    out: Path
    submissions: tuple[Path, ...]
    comments: tuple[Path, ...]
    youtube: tuple[Path, ...]
    channels: tuple[Path, ...]
    media: Path | None
    workers: int


def build(request: Request, settings: Settings) -> dict[str, Any]:
    """Run every stage; returns the counts of the release, for `--json`.

    Raises BuildError (and its kinds) with one clear message when the build cannot go on.
    """
    layout = Layout(request.out.absolute())
    # a wrong path is found before anything is written
    find_files(request.submissions, request.comments, request.youtube, request.channels)
    _check(request, settings)
    with exclusive(layout):
        adopt_tombstones(layout, settings.build.tombstones)
        if settings.build.executor == "local":
            start_server()  # it loads while we digest the inputs
        inputs = _inputs(layout, request)
        reading = _prepare(layout, inputs, settings, request.workers)
        seconds = _text_stages(reading, inputs, request.workers)
        digests = [source.digest for source in inputs.every()]
        from dataset_builder.finish import finish  # loads what the text stages do not need

        started = time.perf_counter()
        summary = finish(request.out, request.media, settings, digests, request.workers)
        seconds["finish"] = time.perf_counter() - started
        funnel = write_funnel(request.out)
        _check_balance(layout, funnel["totals"])
        disk = _disk(request.out)
        if not settings.build.keep_work:
            shutil.rmtree(layout.parts, ignore_errors=True)
            shutil.rmtree(layout.work / "spill", ignore_errors=True)
    return {
        "out": str(request.out),
        "root": summary.root,
        "samples": summary.samples,
        "comments": summary.comments,
        "files": summary.files,
        "bytes": summary.bytes,
        "ledger": funnel["totals"],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_disk": disk,
    }


def build_text(request: Request, settings: Settings) -> dict[str, float]:
    """The text stages alone, without a release; returns the seconds of each."""
    _check(request, settings)
    layout = Layout(request.out.absolute())
    with exclusive(layout):
        adopt_tombstones(layout, settings.build.tombstones)
        if settings.build.executor == "local":
            start_server()  # it loads while we digest the inputs
        inputs = _inputs(layout, request)
        reading = _prepare(layout, inputs, settings, request.workers)
        return _text_stages(reading, inputs, request.workers)


def _check(request: Request, settings: Settings) -> None:
    """Raises, before anything is written, where settings or the output folder cannot be met."""
    given = (*request.submissions, *request.comments, *request.youtube, *request.channels)
    check_out(request.out, BUILD, given)
    if request.youtube:
        check_mode(settings)


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
    _check(request, settings)
    inputs = _inputs(None, request)
    return {
        "inputs": [source.digest.as_dict() for source in inputs.every()],
        "partitions": partitions(inputs.bytes(), settings),
        "workers": request.workers,
        "executor": settings.build.executor,
        "rules": rulebook.describe(settings),
        "vocabularies": vocabulary.versions(),
        "settings": settings.as_dict(),
    }


def _inputs(layout: Layout | None, request: Request) -> Inputs:
    return find_inputs(
        layout, request.submissions, request.comments, request.youtube, request.channels
    )


def partitions(size: int, settings: Settings) -> int:
    """Of inputs of this many bytes: it depends on them alone, never on the workers."""
    asked = settings.build.partitions
    wanted = 1 + size // PARTITION_BYTES
    if wanted > 2:
        wanted += -wanted % EVEN
    return int(asked) or min(MAX_PARTITIONS, wanted)


def _prepare(layout: Layout, inputs: Inputs, settings: Settings, workers: int) -> Reading:
    """Start afresh unless the folder holds this very build; make the author key once."""
    parts = partitions(inputs.bytes(), settings)
    state = {
        "settings": settings.digest(),
        "inputs": sorted([s.digest.role, s.digest.sha256] for s in inputs.every()),
        "partitions": parts,
        "rules": rulebook.describe(settings),
        "vocabularies": vocabulary.versions(),
        # files of another version of the code must not be mixed with ours
        "code": code_identity(),
        "tombstones": tombstone_digest(layout.root),
    }
    text = state_text(state)
    file = layout.work / "state.json"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        # first: a kill while folders go must not leave a state that vouches for them
        file.unlink(missing_ok=True)
        for folder in (layout.logs, layout.parts, layout.text, layout.ledger, layout.quarantine):
            shutil.rmtree(folder, ignore_errors=True)
        write_text(file, text)
    layout.ledger.mkdir(parents=True, exist_ok=True)
    layout.quarantine.mkdir(parents=True, exist_ok=True)
    if not layout.key_file.exists():
        name = layout.key_file.with_suffix(".tmp")
        name.write_bytes(secrets.token_bytes(32))
        name.chmod(0o600)
        name.replace(layout.key_file)
    return Reading(layout, settings, parts, threads=1)


def _text_stages(reading: Reading, inputs: Inputs, workers: int) -> dict[str, float]:
    """Run every stage up to the merge; returns the seconds each took."""
    layout, settings = reading.layout, reading.settings
    seconds: dict[str, float] = {}
    if (layout.text / "posts.parquet").exists() and _merged(layout):
        return seconds

    def stage(name: str, task: Task, tasks: int, most: int = workers, **how: Any) -> None:
        started = time.perf_counter()
        run_stage(name, task, tasks, most, layout, settings, **how)
        seconds[name] = time.perf_counter() - started

    parts = reading.partitions
    for one in read_stages(reading, inputs, workers):
        most = workers if settings.build.executor == "local" else one.at_once
        stage(one.name, one.run, len(one.sizes), most, sizes=one.sizes, demand=one.demand)
    channels: dict[str, str] = {}
    for source in inputs.channels:
        channels |= read_channels(source.path)
    stage("posts", partial(_posts, reading, channels), parts)
    stage("duplicates", partial(_duplicates, reading.with_threads(workers)), 1)
    if settings.comments.idf == "corpus":
        stage("idf", partial(count_candidates, reading), parts)
    stage("comments", partial(select_comments, reading), parts)
    stage("merge", partial(merge, reading), MERGES)
    return seconds


def _merged(layout: Layout) -> bool:
    folder = layout.logs / "merge" / "completions"
    return all((folder / f"{task:05d}").exists() for task in range(MERGES))


def _posts(reading: Reading, channels: dict[str, str], rank: int) -> None:
    select_posts(reading, rank, channels)


def _duplicates(reading: Reading, rank: int) -> None:
    find_duplicates(reading)
