"""Is a file what its option says? The first rows tell, before anything is read or written.

A row of the wrong kind is not malformed: without this look, a comments file given as submissions
would be read to its end and leave an empty dataset behind.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.authors import is_release
from dataset_builder.channels import read_channels
from dataset_builder.documents import first_lines
from dataset_builder.errors import DamagedInput, UsageError
from dataset_builder.ndjson import is_parquet, loads
from dataset_builder.streams import BOM, Budget
from dataset_builder.youtube import PLAYLISTS, is_video

ROWS = 100  # looked at in one file; one of the right kind is enough
HEAD = Budget(ratio=1000, total=float("inf"), line=1 << 20)
SMALL = 1 << 20
MOST_SMALL = 200  # info.json files come by the million; the reading tasks look at every one
SHOWN = 8
WANTED = {
    "reddit_submissions": "Reddit submissions (with title and subreddit)",
    "reddit_comments": "Reddit comments (with link_id)",
    "youtube": "yt-dlp videos or YouTube Data API pages",
}


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
        small += path.stat().st_size < SMALL
        if small <= MOST_SMALL or path.stat().st_size >= SMALL:
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
