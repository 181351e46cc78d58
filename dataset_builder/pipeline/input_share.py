"""A small share of a build's inputs that is whole in itself: some posts, with all their comments.

Posts are chosen by a hash of their id and comments by that of their post, so that it does not
matter how a dump is sorted: the first lines of two dumps need not speak of the same posts.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from dataset_builder.read.compressed import Budget, decompressed
from dataset_builder.read.ndjson import is_parquet
from dataset_builder.read.streams import line_blocks
from dataset_builder.settings import Settings

SAMPLE_BYTES = 128 << 20  # decompressed, wanted of the largest role
READ_BYTES = 4 << 30  # of one role; beyond them its start stands for the rest
PROBE_BYTES = 4 << 20


@dataclass(frozen=True)
class Extract:
    """The lines taken of one file, perhaps none, and how many it has."""

    path: Path
    lines: int
    total: float
    drawn: float = 1.0  # the share of ids it was to take


def extract(
    roles: Mapping[str, Sequence[Path]], folder: Path, settings: Settings
) -> dict[str, list[Extract]]:
    """The chosen lines of every file of every role ("posts", "comments", "youtube"); no folders."""
    largest = max((_bytes(group, settings) for group in roles.values()), default=0)
    wanted = min(1.0, SAMPLE_BYTES / largest) if largest else 1.0
    found: dict[str, list[Extract]] = {}
    for role, group in roles.items():
        target, room = folder / role, READ_BYTES // max(1, len(group))
        target.mkdir(parents=True, exist_ok=True)
        found[role] = []
        for number, file in enumerate(group):
            if is_parquet(file):  # its rows are not counted here, and all are taken
                found[role].append(Extract(file, 1, 1, wanted))
                continue
            name = f"{number:06d}-{file.stem}{'.json' if _is_document(file) else '.jsonl'}"
            found[role].append(_one(file, target / name, KEYS[role], wanted, room, settings))
    return found


def thinned(
    sample: Mapping[str, Sequence[Extract]], share: float, folder: Path, settings: Settings
) -> dict[str, list[Extract]]:
    """About this share of a sample, whole in itself as well; documents and Parquet stay."""
    found: dict[str, list[Extract]] = {}
    for role, group in sample.items():
        (folder / role).mkdir(parents=True)
        found[role] = []
        for one in group:
            if is_parquet(one.path) or not one.lines or one.path.suffix == ".json":
                found[role].append(one)
                continue
            target = folder / role / one.path.name
            less = _one(one.path, target, KEYS[role], one.drawn * share, READ_BYTES, settings)
            found[role].append(replace(less, total=one.total))
    return found


def share_of(extracts: Sequence[Extract]) -> float:
    """Share of the rows of these files that was taken."""
    total = sum(one.total for one in extracts)
    return max(sum(one.lines for one in extracts), 1e-3) / total if total else 1.0


def _bytes(files: Sequence[Path], settings: Settings) -> float:
    """About how many bytes these files hold, decompressed, by the start of the largest."""
    largest = max(files, key=lambda file: file.stat().st_size, default=None)
    if largest is None:
        return 0
    used: list[int] = []
    size = 0
    for chunk in decompressed(largest, Budget.of(settings), used):
        size += len(chunk)
        if size > PROBE_BYTES:
            break
    ratio = size / max(1, used[-1]) if used else 1.0
    return ratio * sum(file.stat().st_size for file in files)


def _one(
    file: Path,
    target: Path,
    key: Callable[[bytes], bytes],
    wanted: float,
    room: int,
    settings: Settings,
) -> Extract:
    used: list[int] = []
    seen = kept = size = 0
    part, document = 1.0, _is_document(file)
    budget = Budget.of(settings)
    with target.open("wb") as out:
        for block in line_blocks(decompressed(file, budget, used), budget.line):
            with closing(block):
                lines = block.data.splitlines(keepends=True)
            chosen = [one for one in lines if wanted >= 1 or document or _draw(key(one)) < wanted]
            out.writelines(chosen)
            seen, kept, size = seen + len(lines), kept + len(chosen), size + block.size
            if size > room and not document:
                part = min(1.0, used[-1] / max(1, file.stat().st_size))
                break
    if document and _draw(file.name.encode()) >= wanted:
        kept = 0
    return Extract(target, kept, seen / part, wanted)


def _is_document(file: Path) -> bool:
    """One value on many lines, perhaps, which cannot be cut between them."""
    return ".json" in file.suffixes


def _draw(key: bytes) -> float:
    return zlib.crc32(key) / 2**32


def _post_id(line: bytes) -> bytes:
    try:
        return str(json.loads(line)["id"]).encode()
    except (ValueError, KeyError, TypeError):
        return line  # the authors' release has no ids


def _link_id(line: bytes) -> bytes:
    start = line.find(b'"link_id"')
    if start < 0:
        return line
    return line[start + 9 : start + 40].partition(b'"')[2].partition(b'"')[0].removeprefix(b"t3_")


KEYS: dict[str, Callable[[bytes], bytes]] = {
    "posts": _post_id,
    "comments": _link_id,
    "youtube": lambda line: line,
}
