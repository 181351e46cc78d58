"""`blift forget`: remove posts, comments, authors and files everywhere, for good.

Order matters: tombstones first, so that nothing comes back whatever happens next; then shards,
ledger, manifest; the tables by which the list was understood last. A killed run is completed by
running it again with the same list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset_builder.errors import BuildError
from dataset_builder.forget.rewrite import (
    add_hidden_rows,
    clean_work,
    hidden_row,
    hide_file_names,
    hide_in_ledger,
    rewrite_shard,
)
from dataset_builder.forget.scope import Scope, Wanted, hash_names, refused, resolve
from dataset_builder.ledger.targets import Target
from dataset_builder.ledger.tombstones import Tombstones, load_tombstones, tombstone_digest
from dataset_builder.shards.card import CardFacts
from dataset_builder.shards.close import close_again, release_facts
from dataset_builder.shards.manifest import MADE_LAST, ReleaseFile, read_manifest
from dataset_builder.shards.writer import DEFAULT_CONFIG, config_of
from dataset_builder.work.layout import state_text
from dataset_builder.work.whole_files import write_bytes

JOURNAL = "forget.json"


def forget(build_dir: Path, targets: Sequence[Target]) -> dict[str, Any]:
    """Remove what `targets` name from `build_dir`; returns counts and the new Merkle root."""
    release = build_dir / "release"
    manifest = read_manifest(release)
    targets = hash_names(build_dir, targets)
    tombstones = load_tombstones(build_dir)
    tombstones.add(targets)
    tombstones.save(build_dir)
    where = _samples(release, manifest["files"])
    media = {sample: sha256 for sample, (_, sha256, _) in where.items()}
    bits = manifest["settings"]["media"]["duplicate_bits"] or 0
    scope = resolve(build_dir, wanted := Wanted(targets), media, bits)
    # what a URL, an author or a look led to is refused by its own name as well
    tombstones.add(Target("id", item) for item in scope.posts | scope.comments)
    tombstones.save(build_dir)
    touched = _journal(build_dir, _touched(where, scope))
    files = [
        f for f in manifest["files"] if f.path not in MADE_LAST and _shard_of(f.path) not in touched
    ]
    for path in sorted(touched):
        if (release / path).is_file():
            files += rewrite_shard(build_dir, path, scope)
    hide_in_ledger(build_dir, scope, tombstones)
    hide_file_names(build_dir, tombstones)
    facts = _counted(release_facts(manifest), release, files)
    root = close_again(release, files, facts, tombstones.hidden_name)
    clean_work(build_dir, scope)
    _renew_state(build_dir)
    (build_dir / "work" / JOURNAL).unlink(missing_ok=True)
    return {
        "samples": len(scope.posts & where.keys()),
        "posts": len(scope.posts),
        "comments": len(scope.comments),
        "media": len(scope.media),
        "shards": sorted(touched),
        "root": root,
        "removed": sorted(scope.posts),
        "removed_media": sorted(scope.media),
        "unmatched": len(wanted.unmatched(targets)),
        "unmatched_lines": sorted({target.line for target in wanted.unmatched(targets)} - {0}),
    }


def _renew_state(build_dir: Path) -> None:
    """The text stage's files now are what these tombstones leave: the next build may go on."""
    path = build_dir / "work" / "state.json"
    if path.is_file():
        state = json.loads(path.read_text("utf-8"))
        state["tombstones"] = tombstone_digest(build_dir)
        write_bytes(path, state_text(state).encode())


def refuse_forgotten(build_dir: Path, tombstones: Tombstones) -> None:
    """Take refused posts and comments out of the text stage's tables before a build goes on."""
    if not tombstones:
        return
    scope = refused(build_dir, tombstones)
    if not scope.posts and not scope.comments:
        return
    rows = list(_ledger_rows(build_dir, scope))
    add_hidden_rows(build_dir / "ledger", [hidden_row(row, tombstones) for row in rows])
    clean_work(build_dir, scope)


def _ledger_rows(build_dir: Path, scope: Scope) -> Iterable[dict[str, Any]]:
    """Plain ledger rows of what the tables lose now; the media stage will not see it."""
    text = build_dir / "work" / "text"
    posts = pq.read_table(text / "posts.parquet", columns=["id", "source", "media_type"])
    kinds = {row["id"]: row for row in posts.to_pylist()}
    comments = pq.read_table(text / "comments.parquet", columns=["post_id", "id"]).to_pylist()
    pairs = [("post", post, post) for post in sorted(scope.posts)]
    pairs += [("comment", c["id"], c["post_id"]) for c in comments if c["id"] in scope.comments]
    for kind, item, post in pairs:
        yield {
            "stage": "media",
            "kind": kind,
            "id": item,
            "source": kinds[post]["source"],
            "media_type": kinds[post]["media_type"],
        }


def _samples(
    release: Path, files: Sequence[ReleaseFile]
) -> dict[str, tuple[str, str | None, list[str]]]:
    """Sample id -> (shard, media hash, comment ids), over all configs."""
    found: dict[str, tuple[str, str | None, list[str]]] = {}
    for file in files:
        path = release / file.path
        if file.path.endswith(".parquet") and path.is_file():
            columns = ["id", "shard", "media_sha256", "comment_ids"]
            for row in pq.read_table(path, columns=columns).to_pylist():
                comments = row["comment_ids"] or []
                found[row["id"]] = (row["shard"], row["media_sha256"], comments)
    if not found and any(f.samples for f in files):
        raise BuildError(f"{release} has no metadata to find samples by; run `blift verify` on it")
    return found


def _touched(where: dict[str, tuple[str, str | None, list[str]]], scope: Scope) -> set[str]:
    """Shards that hold something to remove."""
    return {
        shard
        for sample, (shard, _, comments) in where.items()
        if sample in scope.posts or scope.comments & set(comments)
    }


def _journal(build_dir: Path, touched: set[str]) -> set[str]:
    """`touched` with what a killed run had begun: those shards no longer match the manifest."""
    path = build_dir / "work" / JOURNAL
    if path.is_file():
        touched = touched | set(json.loads(path.read_bytes()))
    write_bytes(path, json.dumps(sorted(touched)).encode())
    return touched


def _shard_of(path: str) -> str:
    """The tar that a metadata file belongs to, or the tar itself."""
    name = path.replace("metadata/", "data/", 1)
    return name.removesuffix(".parquet") + ".tar" if name.endswith(".parquet") else name


def _counted(facts: CardFacts, release: Path, files: Sequence[ReleaseFile]) -> CardFacts:
    """The facts with counts of the default config as it is now."""
    kinds = {"image": 0, "video": 0}
    sources: dict[str, dict[str, int]] = {}
    comments = 0
    for file in files:
        if not file.path.endswith(".parquet") or config_of(file.path) != DEFAULT_CONFIG:
            continue
        split = sources.setdefault(file.path.removeprefix("metadata/").rsplit("-", 1)[0], {})
        columns = ["source", "media_type", "comments"]
        for row in pq.read_table(release / file.path, columns=columns).to_pylist():
            kinds[row["media_type"]] += 1
            split[row["source"]] = split.get(row["source"], 0) + 1
            comments += len(row["comments"])
    return replace(
        facts,
        images=kinds["image"],
        videos=kinds["video"],
        comments=comments,
        sources=sources,
    )
