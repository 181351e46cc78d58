"""Input files of a build: found, digested, in an order that does not depend on how they came."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from dataset_builder.errors import UsageError
from dataset_builder.ingest import Source
from dataset_builder.kinds import check_kinds, option
from dataset_builder.schema import InputDigest
from dataset_builder.tombstones import load_tombstones
from dataset_builder.workdir import Layout, write_text

SMALL = 4 << 20  # info.json files come by the million: small ones share a reading task
GROUP = 500
SUFFIXES = (".json", ".jsonl", ".ndjson", ".gz", ".zst", ".parquet")


@dataclass(frozen=True)
class Inputs:
    """What a build reads, each role sorted by digest."""

    submissions: tuple[Source, ...]
    comments: tuple[Source, ...]
    youtube: tuple[Source, ...]
    channels: tuple[Source, ...]

    def every(self) -> list[Source]:
        """All files."""
        return [*self.submissions, *self.comments, *self.youtube, *self.channels]

    def bytes(self) -> int:
        """Compressed bytes of all files."""
        return sum(source.digest.bytes for source in self.every())

    def youtube_tasks(self) -> list[tuple[Source, ...]]:
        """YouTube files in reading tasks: a large file alone, small ones together."""
        small = [source for source in self.youtube if source.digest.bytes < SMALL]
        large = [source for source in self.youtube if source.digest.bytes >= SMALL]
        groups = [tuple(small[i : i + GROUP]) for i in range(0, len(small), GROUP)]
        return [(source,) for source in large] + groups


def find_files(
    submissions: Sequence[Path],
    comments: Sequence[Path],
    youtube: Sequence[Path],
    channels: Sequence[Path],
) -> dict[str, list[Path]]:
    """The files of each role, nothing written. Raises UsageError as `find_inputs`."""
    roles = {
        "reddit_submissions": submissions,
        "reddit_comments": comments,
        "youtube": youtube,
        "channels": channels,
    }
    files = {role: sorted(set(_expand(role, paths))) for role, paths in roles.items()}
    if not any(files[role] for role in files if role != "channels"):
        raise UsageError(
            "nothing to build from; give --reddit-submissions, --reddit-comments or --youtube "
            "(for example: blift build --youtube videos.jsonl.gz --media none --out out)"
        )
    check_kinds(files)
    return files


def find_inputs(
    layout: Layout | None,
    submissions: Sequence[Path],
    comments: Sequence[Path],
    youtube: Sequence[Path],
    channels: Sequence[Path],
) -> Inputs:
    """Digest every file; folders stand for the data files in them.

    Digests are remembered in the build folder by path, size and time. Raises UsageError for a
    path that does not exist, a file of another kind, and when there is nothing to read.
    """
    files = find_files(submissions, comments, youtube, channels)
    cache = _Cache(layout)
    total = sum(file.stat().st_size for group in files.values() for file in group)
    found: dict[str, tuple[Source, ...]] = {}
    with tqdm(
        total=total, desc="digest", unit="B", unit_scale=True, file=sys.stderr, disable=None
    ) as bar:
        for role, group in files.items():
            sources = [Source(file, cache.digest(role, file, bar)) for file in group]
            found[role] = tuple(sorted(sources, key=lambda s: (s.digest.sha256, s.digest.name)))
    cache.save()
    return Inputs(*(found[role] for role in files))


def _expand(role: str, paths: Sequence[Path]) -> Iterator[Path]:
    for given in paths:
        path = given.absolute()  # tasks may run elsewhere
        if path.is_dir():
            found = (file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES)
            inside = [file for file in found if file.is_file()]
            if not inside:
                raise UsageError(
                    f"{option(role)} {path}: no data file in this folder; expected names that end "
                    f"with one of {', '.join(SUFFIXES)}"
                )
            yield from inside
        elif path.is_file():
            yield path
        else:
            raise UsageError(
                f"{option(role)} {path}: no such file or folder; check the name, relative paths "
                f"start at {Path.cwd()}"
            )


class _Cache:
    """SHA-256 of files already digested for this build folder."""

    def __init__(self, layout: Layout | None) -> None:
        self.file = layout.work / "inputs.json" if layout else None
        self.known: dict[str, str] = {}
        self.tombstones = load_tombstones(layout.root) if layout else None
        if self.file and self.file.exists():
            self.known = json.loads(self.file.read_text(encoding="utf-8"))

    def digest(self, role: str, file: Path, bar: "tqdm[None]") -> InputDigest:
        status = file.stat()
        identity = f"{file.resolve()}:{status.st_size}:{status.st_mtime_ns}"
        key = hashlib.sha256(identity.encode()).hexdigest()  # a path may hold a forgotten id
        if key not in self.known:
            found = hashlib.sha256()
            with file.open("rb") as handle:
                while data := handle.read(1 << 22):
                    found.update(data)
                    bar.update(len(data))
            self.known[key] = found.hexdigest()
        else:
            bar.update(status.st_size)
        name = self.tombstones.hidden_name(file.name) if self.tombstones else file.name
        return InputDigest(role, name, status.st_size, self.known[key])

    def save(self) -> None:
        if self.file:
            write_text(self.file, json.dumps(self.known, indent=0, sort_keys=True))
