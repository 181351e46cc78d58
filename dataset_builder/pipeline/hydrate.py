"""`blift hydrate`: the `full` tier again from the `ids` tier and one's own dumps and media.

The dumps go through `blift build --media none` with the release's settings (refilter), the media
through `blift fetch` or any folder (refetch); what is found is compared with the release's hashes
(check). Nothing is taken on trust: what is missing or has changed is counted and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.errors import BuildError
from dataset_builder.media.judge import Expected
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.samples.tiers import text_sha256
from dataset_builder.schema import COMMENTS, LEDGER, POSTS, InputDigest
from dataset_builder.settings import Settings, load_settings
from dataset_builder.shards.manifest import read_manifest
from dataset_builder.shards.writer import DEFAULT_CONFIG, config_of
from dataset_builder.work.claim import HYDRATE, claim
from dataset_builder.work.whole_files import whole_file

LEDGER_NAME = "hydrate-00000.parquet"
# sections whose settings decide what the text stage keeps and how it is written
TEXT_SECTIONS = ("reddit", "youtube", "comments", "privacy")


@dataclass
class Refound:
    """Posts and comments found again, and rows of the ledger for those that were not."""

    posts: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    lost: list[dict[str, Any]] = field(default_factory=list)


def hydrate(release: Path, dumps: Path, media_dir: Path, out: Path, workers: int) -> dict[str, Any]:
    """Build `out`/release, tier full, from ids `release` and `dumps` (a `blift build` folder)."""
    manifest = read_manifest(release)
    if manifest["release"]["tier"] != "ids":
        tier = manifest["release"]["tier"]
        raise BuildError(f"{release} is of tier {tier!r}; only an ids release can be hydrated")
    _check_rules(manifest, dumps)
    claim(out, HYDRATE)
    rows = list(_listed(release, manifest))
    found = refind(rows, dumps)
    _write(found, out)
    expected = {
        row["id"]: Expected(row["media_sha256"], tuple(row["media_phash"] or ()))
        for row in rows
        if row["media_sha256"]
    }
    inputs = [InputDigest(**entry) for entry in manifest["inputs"]]
    settings = full_settings(manifest["settings"])
    summary = media_stage(out, media_dir, settings, inputs, workers, expected)
    lost = Counter(row["reason"] for row in found.lost)
    return {
        "root": summary.root,
        "listed": len(rows),
        "samples": sum(summary.samples.values()),
        "comments": summary.comments,
        "lost": {**lost, **summary.dropped},
    }


def full_settings(recorded: Mapping[str, Any]) -> Settings:
    """The settings of a release's manifest, for the full tier on this machine."""
    told = {name: dict(values) for name, values in recorded.items() if name != "preset"}
    told["shards"]["tier"] = "full"
    told["media"]["required"] = True
    return load_settings(recorded["preset"], []).changed(told)


def refind(rows: list[dict[str, Any]], dumps: Path) -> Refound:
    """The listed posts and comments in the text tables of `dumps`, each compared by hash."""
    text = dumps / "work" / "text"
    posts = {row["id"]: row for row in pq.read_table(text / "posts.parquet").to_pylist()}
    comments = {row["id"]: row for row in pq.read_table(text / "comments.parquet").to_pylist()}
    found = Refound()
    for row in rows:
        post = posts.get(row["id"])
        if post is None or text_sha256(post["title"]) != row["title_sha256"]:
            reason = "not_found" if post is None else "changed"
            found.lost.append(_lost("post", row["id"], row, reason))
            continue
        found.posts.append({**post, "split": row["split"]})
        checks = zip(row["comment_ids"], row["comment_sha256"], strict=True)
        for rank, (comment_id, sha256) in enumerate(checks, start=1):
            comment = comments.get(comment_id)
            if comment is not None and text_sha256(comment["text"]) == sha256:
                # the rank of the release: merged posts keep the order they were given there
                found.comments.append({**comment, "post_id": row["id"], "rank": rank})
            else:
                reason = "not_found" if comment is None else "changed"
                found.lost.append(_lost("comment", comment_id, row, reason))
    return found


def _listed(release: Path, manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Metadata rows of the posts, with the split their shard is of."""
    for file in manifest["files"]:
        if file.path.endswith(".parquet") and config_of(file.path) == DEFAULT_CONFIG:
            split = file.path.removeprefix("metadata/").rsplit("-", 1)[0]
            for row in pq.read_table(release / file.path).to_pylist():
                yield {**row, "split": split}


def _check_rules(manifest: Mapping[str, Any], dumps: Path) -> None:
    """Other rules would keep other comments and write them in another way."""
    theirs, ours = manifest["settings"], read_manifest(dumps / "release")["settings"]
    for section in TEXT_SECTIONS:
        names = theirs[section].keys() | ours[section].keys()
        for name in sorted(names):
            wanted, given = theirs[section].get(name), ours[section].get(name)
            if wanted != given:
                raise BuildError(
                    f"{dumps} was built with {section}.{name}={given!r}, the release with "
                    f"{wanted!r}; build it again with --set {section}.{name}={wanted!r}"
                )


def _lost(kind: str, item: str, row: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {
        "stage": "hydrate",
        "kind": kind,
        "id": item,
        "source": row["source"],
        "media_type": row["media_type"],
        "kept": False,
        "reason": reason,
        "value": row["id"],
    }


def _write(found: Refound, out: Path) -> None:
    text, ledger = out / "work" / "text", out / "ledger"
    text.mkdir(parents=True, exist_ok=True)
    ledger.mkdir(parents=True, exist_ok=True)
    posts = sorted(found.posts, key=lambda row: row["id"])
    comments = sorted(found.comments, key=lambda row: (row["post_id"], row["rank"]))
    for rows, schema, path in (
        (posts, POSTS, text / "posts.parquet"),
        (comments, COMMENTS, text / "comments.parquet"),
        (found.lost, LEDGER, ledger / LEDGER_NAME),
    ):
        with whole_file(path) as file:
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
