"""The reading stage: every input file at once, as far as the decoders' memory allows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dataset_builder.ledger.refusal import refuses
from dataset_builder.read.compressed import window_bytes
from dataset_builder.read.inputs import Inputs, Source
from dataset_builder.read.read_tasks import read_comments, read_documents, read_submissions
from dataset_builder.run.task import Demand
from dataset_builder.settings import Settings
from dataset_builder.work.partitions import TextBuild

Files = tuple[Source, ...]  # of one task


@dataclass(frozen=True)
class ReadStage:
    """One stage: its tasks, largest first, what they demand, and how many may run at once."""

    name: str
    run: Callable[[int], None]
    sizes: tuple[int, ...]
    demand: Demand
    at_once: int


def read_stages(build: TextBuild, inputs: Inputs, workers: int) -> list[ReadStage]:
    """One stage; two where comments must know which posts were refused (see `refusal`)."""
    comments: list[Files] = [(source,) for source in inputs.comments]
    posts = [(source,) for source in inputs.submissions] + inputs.youtube_tasks()
    if refuses(build.layout):
        groups = {"read": posts, "read_comments": comments}
    else:
        groups = {"read": comments + posts}
    return [_stage(name, tasks, build, workers) for name, tasks in groups.items()]


def _stage(name: str, tasks: Sequence[Files], build: TextBuild, workers: int) -> ReadStage:
    largest_first = tuple(sorted(tasks, key=_bytes, reverse=True))
    # files that share a task are small: no window is ever filled
    windows = [window_bytes(files[0].path) if len(files) == 1 else 0 for files in largest_first]
    at_once, threads = readers(windows, build.settings, workers)
    wide = replace(build, threads=threads, stage=name)
    room = int(build.settings.build.decoder_memory_gb * 2**30)
    return ReadStage(
        name,
        partial(_read, wide, largest_first),
        tuple(map(_bytes, largest_first)),
        Demand(tuple(windows), room),
        at_once,
    )


def readers(windows: Sequence[int], settings: Settings, workers: int) -> tuple[int, int]:
    """(files of the largest window read at once, threads of each)."""
    window = max((1 << 20, *windows))
    room = int(settings.build.decoder_memory_gb * 2**30 // window)
    at_once = max(1, min(workers, room, len(windows) or workers))
    return at_once, max(1, workers // at_once)


def _bytes(files: Files) -> int:
    return sum(source.digest.bytes for source in files)


def _read(build: TextBuild, tasks: Sequence[Files], rank: int) -> None:
    files = tasks[rank]
    role = files[0].digest.role
    if role == "reddit_comments":
        read_comments(build, rank, files[0])
    elif role == "reddit_submissions":
        read_submissions(build, rank, files[0])
    else:
        read_documents(build, rank, files)
