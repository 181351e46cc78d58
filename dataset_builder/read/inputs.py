"""Input files of a build: found, digested, in an order that does not depend on how they came."""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from dataset_builder.errors import DamagedInput, UsageError
from dataset_builder.ledger.tombstones import load_tombstones
from dataset_builder.read.authors_release import is_release
from dataset_builder.read.channels import read_channels
from dataset_builder.read.compressed import Budget
from dataset_builder.read.documents import first_lines
from dataset_builder.read.ndjson import is_parquet, loads
from dataset_builder.read.streams import BOM
from dataset_builder.read.youtube import PLAYLISTS, is_video
from dataset_builder.schema import InputDigest
from dataset_builder.work.layout import Layout
from dataset_builder.work.whole_files import write_text

SMALL = 4 << 20  # info.json files come by the million: small ones share a reading task
GROUP = 500
ROWS = 100  # looked at in one file; one of the right kind is enough
HEAD = Budget(ratio=1000, total=float("inf"), line=1 << 20)
SMALL_LOOKED_AT = 1 << 20
MOST_SMALL = 200  # info.json files come by the million; the reading tasks look at every one
SHOWN = 8
WANTED = {
    "reddit_submissions": "Reddit submissions (with title and subreddit)",
    "reddit_comments": "Reddit comments (with link_id)",
    "youtube": "yt-dlp videos or YouTube Data API pages",
}
SUFFIXES = (".json", ".jsonl", ".ndjson", ".gz", ".zst", ".bz2", ".xz", ".parquet")


@dataclass(frozen=True)
class Source:
    """One input file of a reading task."""

    path: Path
    digest: InputDigest


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


def kind_of(row: Mapping[str, Any]) -> str | None:
    """The role a row has by its fields, None where it is nothing we read."""
    if row.get("link_id") is not None:
        return "reddit_comments"
    if is_release(row) or (row.get("title") is not None and row.get("subreddit") is not None):
        return "reddit_submissions"
    page = str(row.get("kind")).startswith("youtube#") or row.get("_type") in PLAYLISTS
    return "youtube" if page or is_video(row) else None


def check_kinds(files: Mapping[str, Sequence[Path]]) -> None:
    """Look into the files of every role. Raises UsageError at the first one of another kind."""
    for role in WANTED:
        for path in _looked_at(files[role]):
            try:
                _check(role, path)
            except (DamagedInput, pa.ArrowException, OSError):
                continue  # the reading task says it better, and knows the build's limits
    for path in files["channels"]:
        read_channels(path)  # they are needed only after hours


def _looked_at(paths: Sequence[Path]) -> Iterator[Path]:
    small = 0
    for path in paths:
        small += path.stat().st_size < SMALL_LOOKED_AT
        if small <= MOST_SMALL or path.stat().st_size >= SMALL_LOOKED_AT:
            yield path


def _check(role: str, path: Path) -> None:
    rows = _first_rows(role, path)
    kinds = [kind_of(row) for row in rows]
    released = role == "youtube" and any(map(is_release, rows))  # read alike under both options
    if not rows or role in kinds or released:
        return
    found = next((kind for kind in kinds if kind), None)
    fields = ", ".join(list(rows[0])[:SHOWN]) or "none"
    advice = f"they look like {WANTED[found]}: give the file to {option(found)}" if found else (
        "they are nothing this program reads; give another file"
    )  # fmt: skip
    raise UsageError(
        f"{option(role)} {path}: expected {WANTED[role]}, but none of its first {len(rows)} rows "
        f"is one (fields of the first: {fields}); {advice}"
    )


def option(role: str) -> str:
    """The command line's name of a role."""
    return f"--{role.replace('_', '-')}"


def _first_rows(role: str, path: Path) -> list[Mapping[str, Any]]:
    """The first rows that can be read; none where the file must be read whole to see them."""
    if is_parquet(path):
        return [dict.fromkeys(pq.read_schema(path).names, "")]
    lines = [line.removeprefix(BOM).strip() for line in first_lines(path, HEAD, ROWS)]
    rows: list[Mapping[str, Any]] = []
    for line in lines:
        try:
            rows.append(dict(reversed(loads(line).items())))  # in the order of the line
        except ValueError:
            continue
    document = role == "youtube" and lines and lines[0].startswith((b"{", b"["))
    if lines and not rows and not document:
        _check_lines(role, path, lines)
    return rows


def _check_lines(role: str, path: Path, lines: Sequence[bytes]) -> None:
    """Raises UsageError for what is surely no file of one JSON object a line."""
    if lines[0].startswith(b"["):
        raise UsageError(
            f"{option(role)} {path}: the file is one JSON array, expected one JSON object a line; "
            "turn it into lines, for example: jq -c '.[]' FILE > FILE.ndjson"
        )
    if len(lines) == ROWS:
        start = lines[0][:40].decode("utf-8", "replace")
        raise UsageError(
            f"{option(role)} {path}: none of its first {ROWS} lines is a JSON object (the first "
            f"starts with {start!r}); expected {WANTED[role]}, one JSON object a line"
        )
