"""`blift estimate`: rows, time and disk of a build, from real runs on the start of its inputs.

Two small builds run in a temporary folder: a tiny one gives each stage's fixed cost, a larger
one its cost per row. Media are not part of it: fetching and decoding depend on them alone.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataset_builder.ndjson import is_parquet
from dataset_builder.pipeline import Request, build
from dataset_builder.settings import Settings
from dataset_builder.streams import BLOCK_BYTES, Budget, decompressed

TINY_BYTES = 64 << 10
SAMPLE_BYTES = 48 << 20  # decompressed, of all files of a role together


@dataclass(frozen=True)
class Sample:
    """The start of a file: its lines, and which share of the file they are."""

    path: Path
    lines: int
    share: float


@dataclass(frozen=True)
class Run:
    """One sample build: rows it would have from whole inputs, and the share of them it had."""

    result: dict[str, Any]
    rows: dict[str, int]
    share: dict[str, float]


def estimate(request: Request, settings: Settings) -> dict[str, Any]:
    """Rows by kind, seconds by stage, bytes on disk. Raises as `build` does on bad inputs."""
    with tempfile.TemporaryDirectory(prefix="blift-estimate-") as name:
        folder = Path(name)
        tiny = _run(request, settings, folder / "tiny", TINY_BYTES)
        large = _run(request, settings, folder / "large", SAMPLE_BYTES)
    seconds = {
        stage: _extrapolate(
            tiny.result["seconds"].get(stage, 0.0),
            value,
            tiny.share[_role(stage)],
            large.share[_role(stage)],
        )
        for stage, value in large.result["seconds"].items()
    }
    share = large.share["all"]
    return {
        "rows": large.rows,
        "samples": round(sum(large.result["samples"].values()) / share),
        "seconds": {stage: round(value, 1) for stage, value in seconds.items()},
        "total_seconds": round(sum(seconds.values()), 1),
        "disk_bytes": round(large.result["peak_disk"] / share),
        "release_bytes": round(large.result["bytes"] / share),
        "sampled": {role: round(value, 4) for role, value in large.share.items()},
        "workers": request.workers,
    }


def _run(request: Request, settings: Settings, folder: Path, limit: int) -> Run:
    samples = {
        role: _cut(paths, folder / role, settings, limit)
        for role, paths in (
            ("posts", request.submissions),
            ("comments", request.comments),
            ("youtube", request.youtube),
        )
    }
    smaller = replace(
        request,
        out=folder / "out",
        submissions=tuple(s.path for s in samples["posts"]),
        comments=tuple(s.path for s in samples["comments"]),
        youtube=tuple(s.path for s in samples["youtube"]),
        media=None,
    )
    result = build(smaller, settings)
    rows, share = {}, {}
    for kind, role in (("post", "posts"), ("comment", "comments")):
        sampled = result["ledger"].get(kind, {}).get("in", 0)
        lines = sum(sample.lines for sample in samples[role])
        # the dump's own lines, and what came in YouTube's records, each by its own share
        whole = lines / _share(samples[role]) + (sampled - lines) / _share(samples["youtube"])
        rows[role] = round(whole)
        share[role] = min(1.0, sampled / whole) if whole else 1.0
    every = sum(rows.values())
    share["all"] = sum(rows[role] * share[role] for role in rows) / every if every else 1.0
    return Run(result, rows, share)


def _share(samples: Sequence[Sample]) -> float:
    """Share of the rows of these files that is in the samples."""
    total = sum(sample.lines / sample.share for sample in samples)
    return sum(sample.lines for sample in samples) / total if total else 1.0


def _cut(paths: Sequence[Path], folder: Path, settings: Settings, limit: int) -> list[Sample]:
    """The first lines of every file as plain files; Parquet files count as they are."""
    files = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
    samples = []
    for number, file in enumerate(files):
        if is_parquet(file):
            samples.append(Sample(file, 1, 1.0))
            continue
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{number:06d}-{file.stem}.jsonl"
        samples.append(_head(file, target, settings, max(4096, limit // len(files))))
    return samples


def _inside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _head(file: Path, target: Path, settings: Settings, limit: int) -> Sample:
    """Copy whole lines up to `limit` bytes; the share is by decompressed or compressed size."""
    used: list[int] = []
    data = bytearray()
    whole = True
    for chunk in decompressed(file, Budget.of(settings), used):
        data += chunk
        if len(data) > min(limit, 4 * BLOCK_BYTES):
            whole = False
            break
    size = file.stat().st_size
    kept = bytes(data) if whole else bytes(data[: data.rfind(b"\n") + 1])
    target.write_bytes(kept)
    lines = kept.count(b"\n")
    read = used[-1] if used else size
    share = 1.0 if whole else min(1.0, read / max(1, size) * len(kept) / max(1, len(data)))
    return Sample(target, lines, max(share, 1e-9))


def _role(stage: str) -> str:
    return {
        "read_posts": "posts",
        "posts": "posts",
        "duplicates": "posts",
        "read_comments": "comments",
        "comments": "comments",
        "idf": "comments",
    }.get(stage, "all")


def _extrapolate(tiny: float, large: float, tiny_share: float, large_share: float) -> float:
    """Fixed cost plus cost per share, through both measurements; never below the larger one."""
    if large_share - tiny_share < 1e-6:
        return large
    slope = (large - tiny) / (large_share - tiny_share)
    return max(large, tiny + slope * (1 - tiny_share))


def format_estimate(found: dict[str, Any]) -> str:
    """The estimate as text."""
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in found["seconds"].items())
    return (
        f"posts {found['rows']['posts']:,}, comments {found['rows']['comments']:,}\n"
        f"time with {found['workers']} workers: {found['total_seconds']:,.0f} s ({stages})\n"
        f"disk while building: {found['disk_bytes']:,} bytes; release without media: "
        f"{found['release_bytes']:,} bytes\n"
        "media are not included: fetching and decoding depend on them alone"
    )
