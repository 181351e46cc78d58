"""The last steps of a build: shards of every split, the card, the manifest, nothing else left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataset_builder.funnel.counts import write_funnel
from dataset_builder.ledger.ledger import has_ledger
from dataset_builder.run.dispatch import run_tasks
from dataset_builder.settings import Settings
from dataset_builder.shards.card import CardFacts, render_card
from dataset_builder.shards.manifest import (
    CARD,
    FUNNEL,
    NAME,
    ReleaseFile,
    make_manifest,
    merkle_root,
    read_manifest,
    write_manifest,
)
from dataset_builder.shards.writer import plan_shards, read_note, run_shard_task, state_note
from dataset_builder.work.whole_files import write_bytes

MEGABYTE = 1_000_000


def write_shards(
    packed: Mapping[str, Path],
    config: str,
    build_dir: Path,
    settings: Settings,
    workers: int,
) -> list[ReleaseFile]:
    """Write the tars and metadata of one config; `packed` is split -> packed samples."""
    release, state = build_dir / "release", build_dir / "work" / "shards"
    most = int(settings.shards.max_mb * MEGABYTE)
    tasks = [
        task
        for split, samples in packed.items()
        for task in plan_shards(split, samples, release, state, most, config)
    ]
    run_tasks(run_shard_task, tasks, workers, settings, build_dir, "shards")
    return [file for task in tasks for file in read_note(state_note(state, task.path))]


def close_release(
    files: Sequence[ReleaseFile],
    release: Path,
    facts: CardFacts,
    inputs: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> str:
    """Write funnel, card and manifest, remove files of earlier builds; returns the Merkle root.

    The funnel is that of the ledger beside `release`, where there is one: it must be whole.
    """
    release.mkdir(parents=True, exist_ok=True)
    root = merkle_root(files)
    made, found = dict[str, bytes](), None
    if has_ledger(release.parent):
        found = write_funnel(release.parent, settings)
        made[FUNNEL] = (release.parent / FUNNEL).read_bytes()
    made[CARD] = render_card(files, facts, settings, root, found)
    listed = [*files]
    for name, data in made.items():
        write_bytes(release / name, data)
        listed.append(ReleaseFile(name, len(data), hashlib.sha256(data).hexdigest(), 0))
    _remove_others(release, {file.path for file in listed} | {NAME})
    write_manifest(make_manifest(listed, inputs, settings, asdict(facts)), release)
    return root


def close_again(
    release: Path,
    files: Sequence[ReleaseFile],
    facts: CardFacts,
    name: Callable[[str], str] = str,
) -> str:
    """Write card and manifest of a release whose data files are now `files`.

    Inputs stay, each under what `name` makes of its name.
    """
    old = read_manifest(release)
    inputs = [{**entry, "name": name(entry["name"])} for entry in old["inputs"]]
    return close_release(files, release, facts, inputs, old["settings"])


def release_facts(manifest: Mapping[str, Any]) -> CardFacts:
    """What the card of a release was made of."""
    return CardFacts(**manifest["release"])


def _remove_others(release: Path, wanted: set[str]) -> None:
    """Files of a build with other settings would be loaded by the card's patterns."""
    for path in sorted(p for p in release.rglob("*") if p.is_file()):
        if path.relative_to(release).as_posix() not in wanted:
            path.unlink()
