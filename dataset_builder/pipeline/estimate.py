"""`blift estimate`: rows, time and disk of a build, from real runs on a share of its inputs.

Two small builds run in a temporary folder: the straight line through the seconds of each stage
gives its fixed cost and its cost per row. Media are not part of it: fetching and decoding depend
on them alone.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataset_builder.pipeline.build import build
from dataset_builder.pipeline.input_share import Extract, extract, share_of, thinned
from dataset_builder.pipeline.text_stage import Request, partitions
from dataset_builder.read.inputs import find_files
from dataset_builder.settings import Settings
from dataset_builder.shards.close import FUNNEL

SMALL = 1 / 8  # of the sample
OF_POSTS = ("posts", "duplicates", "finish")  # stages whose work grows with the posts


@dataclass(frozen=True)
class Run:
    """One sample build: rows the whole inputs would have, and the share of them it had.

    The shares of posts and of all rows differ by chance: few posts have most of the comments.
    """

    result: dict[str, Any]
    rows: dict[str, int]
    posts: float
    share: float
    fixed: int  # bytes that do not grow with the inputs


def estimate(request: Request, settings: Settings) -> dict[str, Any]:
    """Rows by kind, seconds by stage, bytes on disk. Raises as `build` does on bad inputs."""
    files = find_files(*request.files())
    roles = {
        "posts": files["reddit_submissions"],
        "comments": files["reddit_comments"],
        "youtube": files["youtube"],
    }
    with tempfile.TemporaryDirectory(prefix="blift-estimate-") as name:
        folder = Path(name)
        sample = extract(roles, folder / "large", settings)
        less = thinned(sample, SMALL, folder / "small", settings)
        size = sum(file.stat().st_size for group in files.values() for file in group)
        settings = _with_partitions(size, request.workers, settings)
        _run(request, settings, less, folder / "first")  # what only a first build loads
        large, small = (
            _quieter(_run(request, settings, part, folder / f"{name}{n}") for n in range(2))
            for name, part in (("large", sample), ("small", less))
        )
    seconds = {stage: _whole(stage, small, large) for stage in large.result["seconds"]}
    release = large.result["bytes"] / large.posts
    growing = large.result["peak_disk"] - large.result["bytes"] - large.fixed
    rest = growing / large.share + large.fixed
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
    pictures = sum(path.stat().st_size for path in (folder / "out").rglob(FUNNEL))
    return Run(result, rows, shares["posts"], share, pictures)


def _quieter(runs: Iterable[Run]) -> Run:
    """Of two equal runs the lower seconds of each stage: what held one up is not the build's."""
    one, other = runs
    seconds = {
        stage: min(value, other.result["seconds"].get(stage, value))
        for stage, value in one.result["seconds"].items()
    }
    return replace(one, result={**one.result, "seconds": seconds})


def _paths(sample: list[Extract]) -> tuple[Path, ...]:
    return tuple(one.path for one in sample if one.lines)


def _with_partitions(size: int, workers: int, settings: Settings) -> Settings:
    """As many partitions as keep the workers as busy as those of the whole build will."""
    wanted = min(partitions(size, settings), workers)
    return settings.changed({"build": {"partitions": wanted}})


def _whole(stage: str, small: Run, large: Run) -> float:
    """Seconds of a stage of the whole build: fixed cost plus cost per share of what it works on.

    Never below what the larger run took.
    """
    seconds, most = (run.result["seconds"].get(stage, 0.0) for run in (small, large))
    shares = (small.posts, large.posts) if stage in OF_POSTS else (small.share, large.share)
    if shares[1] - shares[0] < 1e-6:
        return float(most)
    slope = (most - seconds) / (shares[1] - shares[0])
    return float(max(most, seconds + slope * (1 - shares[0])))


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
