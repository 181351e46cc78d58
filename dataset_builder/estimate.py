"""`blift estimate`: rows, time and disk of a build, from real runs on a share of its inputs.

Small builds run in a temporary folder: a tiny one gives each stage's fixed cost, a larger one its
cost per row. Media are not part of it: fetching and decoding depend on them alone.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataset_builder.extract import Extract, extract, share_of
from dataset_builder.ndjson import is_parquet
from dataset_builder.pipeline import Request, build
from dataset_builder.settings import Settings

TINY_LINES = 64


@dataclass(frozen=True)
class Run:
    """One sample build: rows the whole inputs would have, and the share of them it had.

    The shares of posts and of all rows differ by chance: few posts have most of the comments.
    """

    result: dict[str, Any]
    rows: dict[str, int]
    posts: float
    share: float


def estimate(request: Request, settings: Settings) -> dict[str, Any]:
    """Rows by kind, seconds by stage, bytes on disk. Raises as `build` does on bad inputs."""
    roles = {
        "posts": request.submissions,
        "comments": request.comments,
        "youtube": request.youtube,
    }
    with tempfile.TemporaryDirectory(prefix="blift-estimate-") as name:
        folder = Path(name)
        sample = extract(roles, folder / "large", settings)
        heads = _heads(sample, folder / "tiny")
        _run(request, settings, heads, folder / "first")  # what only a first build loads
        large = _run(request, settings, sample, folder / "large")
        tiny = _run(request, settings, heads, folder / "tiny")
    seconds = {
        stage: _extrapolate(tiny.result["seconds"].get(stage, 0.0), value, tiny.share, large.share)
        for stage, value in large.result["seconds"].items()
    }
    release = large.result["bytes"] / large.posts
    rest = (large.result["peak_disk"] - large.result["bytes"]) / large.share
    return {
        "rows": large.rows,
        "samples": round(sum(large.result["samples"].values()) / large.posts),
        "seconds": {stage: round(value, 1) for stage, value in seconds.items()},
        "total_seconds": round(sum(seconds.values()), 1),
        "disk_bytes": round(release + rest),
        "release_bytes": round(release),
        "sampled": round(large.share, 4),
        "workers": request.workers,
    }


def _run(
    request: Request, settings: Settings, sample: dict[str, list[Extract]], folder: Path
) -> Run:
    smaller = replace(
        request,
        out=folder / "out",
        submissions=_paths(sample["posts"]),
        comments=_paths(sample["comments"]),
        youtube=_paths(sample["youtube"]),
        media=None,
    )
    result = build(smaller, settings)
    rows, shares, taken = {}, {}, 0
    for kind, role in (("post", "posts"), ("comment", "comments")):
        sampled = result["ledger"].get(kind, {}).get("in", 0)
        lines = sum(one.lines for one in sample[role])
        # the dump's own lines, and what came in YouTube's records, each by its own share
        theirs = (sampled - lines) / share_of(sample["youtube"])
        rows[role] = round(lines / share_of(sample[role]) + theirs)
        shares[role] = min(1.0, sampled / rows[role]) if rows[role] else 1.0
        taken += sampled
    share = min(1.0, taken / max(1, sum(rows.values())))
    return Run(result, rows, shares["posts"], share)


def _paths(sample: list[Extract]) -> tuple[Path, ...]:
    return tuple(one.path for one in sample if one.lines)


def _heads(sample: dict[str, list[Extract]], folder: Path) -> dict[str, list[Extract]]:
    """The first lines of a sample: what a build costs that has next to nothing to do."""
    folder.mkdir(parents=True)
    heads = {}
    for role, group in sample.items():
        first = next((one for one in group if one.lines), None)
        total = sum(one.total for one in group)
        if first is None or is_parquet(first.path):
            heads[role] = group
            continue
        if first.path.suffix == ".json":  # a document
            heads[role] = [replace(first, total=total)]
            continue
        with first.path.open("rb") as file:
            lines = [line for line, _ in zip(file, range(TINY_LINES), strict=False)]
        path = folder / f"{role}.jsonl"
        path.write_bytes(b"".join(lines))
        heads[role] = [Extract(path, len(lines), total)]
    return heads


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
