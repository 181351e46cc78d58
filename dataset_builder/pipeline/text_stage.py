"""The text half of a build: dumps in, kept posts and comments out."""

import secrets
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dataset_builder import vocabulary
from dataset_builder.ledger.refusal import adopt_tombstones
from dataset_builder.ledger.tombstones import tombstone_digest
from dataset_builder.read.channels import read_channels
from dataset_builder.read.inputs import Inputs, find_files, find_inputs
from dataset_builder.read.read_stage import read_stages
from dataset_builder.rules import order
from dataset_builder.run.pool import start_server
from dataset_builder.run.stage import run_stage
from dataset_builder.run.task import Task
from dataset_builder.schema import InputDigest
from dataset_builder.settings import Settings
from dataset_builder.shards.manifest import code_identity
from dataset_builder.text.judge_comments import count_candidates, select_comments
from dataset_builder.text.judge_posts import select_posts
from dataset_builder.text.language import check_mode
from dataset_builder.text.reposts import find_duplicates
from dataset_builder.text.tables import MERGES, write_tables
from dataset_builder.work.claim import BUILD, check_out, exclusive
from dataset_builder.work.layout import Layout, state_text
from dataset_builder.work.partitions import TextBuild
from dataset_builder.work.whole_files import sweep, whole, write_text

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

    def files(self) -> tuple[tuple[Path, ...], ...]:
        """The paths given for each role, in the order of `find_inputs`."""
        return self.submissions, self.comments, self.youtube, self.channels


def build_text(request: Request, settings: Settings) -> dict[str, float]:
    """The text stages alone, without a release; returns the seconds of each."""
    check(request, settings)
    with exclusive(Layout(request.out.absolute())):
        return text_stage(request, settings)[1]


def text_stage(request: Request, settings: Settings) -> tuple[list[InputDigest], dict[str, float]]:
    """From the request to work/text/; returns the inputs' digests and each step's seconds.

    The caller holds the folder (`exclusive`).
    """
    layout = Layout(request.out.absolute())
    sweep(layout.work)
    adopt_tombstones(layout, settings.build.tombstones)
    if settings.build.executor == "local":
        start_server()  # it loads while we digest the inputs
    inputs = find_inputs(layout, *request.files())
    build = _prepared(layout, inputs, settings)
    seconds = _run_stages(build, inputs, request.workers)
    return [source.digest for source in inputs.every()], seconds


def check(request: Request, settings: Settings) -> None:
    """Raises, before anything is written, where inputs, settings or the output cannot be met."""
    find_files(*request.files())
    check_out(request.out, BUILD, sum(request.files(), ()))
    if request.youtube:
        check_mode(settings)


def partitions(size: int, settings: Settings) -> int:
    """Of inputs of this many bytes: it depends on them alone, never on the workers."""
    asked = settings.build.partitions
    wanted = 1 + size // PARTITION_BYTES
    if wanted > 2:
        wanted += -wanted % EVEN
    return int(asked) or min(MAX_PARTITIONS, wanted)


def _prepared(layout: Layout, inputs: Inputs, settings: Settings) -> TextBuild:
    """Start afresh unless the folder holds this very build; make the author key once."""
    parts = partitions(inputs.bytes(), settings)
    state = {
        "settings": settings.digest(),
        "inputs": sorted([s.digest.role, s.digest.sha256] for s in inputs.every()),
        "partitions": parts,
        "rules": order.describe(settings),
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
        with whole(layout.key_file) as name:
            name.write_bytes(secrets.token_bytes(32))
            name.chmod(0o600)
    return TextBuild(layout, settings, parts, threads=1)


def _run_stages(build: TextBuild, inputs: Inputs, workers: int) -> dict[str, float]:
    """Run every step up to the tables; returns the seconds each took."""
    layout, settings = build.layout, build.settings
    seconds: dict[str, float] = {}
    if (layout.text / "posts.parquet").exists() and _merged(layout):
        return seconds

    def stage(name: str, task: Task, tasks: int, most: int = workers, **how: Any) -> None:
        started = time.perf_counter()
        run_stage(name, task, tasks, most, layout, settings, **how)
        seconds[name] = time.perf_counter() - started

    parts = build.partitions
    for one in read_stages(build, inputs, workers):
        most = workers if settings.build.executor == "local" else one.at_once
        stage(one.name, one.run, len(one.sizes), most, sizes=one.sizes, demand=one.demand)
    channels: dict[str, str] = {}
    for source in inputs.channels:
        channels |= read_channels(source.path)
    stage("posts", partial(_posts, build, channels), parts)
    stage("duplicates", partial(_duplicates, build.with_threads(workers)), 1)
    if settings.comments.idf == "corpus":
        stage("idf", partial(count_candidates, build), parts)
    stage("comments", partial(select_comments, build), parts)
    stage("merge", partial(write_tables, build), MERGES)
    return seconds


def _merged(layout: Layout) -> bool:
    folder = layout.logs / "merge" / "completions"
    return all((folder / f"{task:05d}").exists() for task in range(MERGES))


def _posts(build: TextBuild, channels: dict[str, str], rank: int) -> None:
    select_posts(build, rank, channels)


def _duplicates(build: TextBuild, rank: int) -> None:
    find_duplicates(build)
