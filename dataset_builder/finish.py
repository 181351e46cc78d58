"""The media half of a build: kept posts and comments in, a whole release folder out.

posts.parquet, comments.parquet -> media rules -> duplicates -> annotations -> samples -> shards,
metadata, card, manifest, ledger. Every step keeps its results on disk under `work/`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset_builder import language
from dataset_builder.annotate.registry import AnnotatorChoice, choose_annotators
from dataset_builder.annotate.run import (
    annotation_tasks,
    read_results,
    results_folder,
    run_annotation_task,
)
from dataset_builder.atomic import sweep_partials
from dataset_builder.comment_table import Comments
from dataset_builder.dataset_card import CardFacts
from dataset_builder.decoder import DecodeLimits
from dataset_builder.errors import BuildError
from dataset_builder.forget import refuse_forgotten
from dataset_builder.manifest import NAME
from dataset_builder.media import record_folder
from dataset_builder.media_ledger import comment_rows, post_rows, write_media_ledger
from dataset_builder.media_record import RecordStore
from dataset_builder.merge_media import (
    joined_splits,
    looking_alike,
    merge_posts,
    same_looking_posts,
)
from dataset_builder.pack import Material, pack_split
from dataset_builder.release_files import close_release, write_shards
from dataset_builder.schema import InputDigest, ReleaseSummary
from dataset_builder.select_media import (
    POST_COLUMNS,
    Expected,
    Selection,
    drop_nsfw,
    hide_refused,
    select,
)
from dataset_builder.settings import Settings
from dataset_builder.shards import DEFAULT_CONFIG, SPLITS, ReleaseFile
from dataset_builder.tasks import run_tasks
from dataset_builder.tombstones import load_tombstones

SOURCES = ("reddit", "youtube")


def finish(
    build_dir: Path,
    media_dir: Path | None,
    settings: Settings,
    inputs: list[InputDigest],
    workers: int,
    expected: Mapping[str, Expected] | None = None,
) -> ReleaseSummary:
    """Make the release folder of a build from its text tables. `media_dir` None: no media in it.

    `expected` (of `hydrate`): media by post id that must be found again.
    """
    work, release = build_dir / "work", build_dir / "release"
    records = record_folder(work, settings)
    _tidy(build_dir, records)
    tombstones = load_tombstones(build_dir)
    refuse_forgotten(build_dir, tombstones)
    posts = pq.read_table(work / "text" / "posts.parquet")
    comments = Comments(work / "text" / "comments.parquet")
    light = posts.select(POST_COLUMNS).to_pylist()
    selection = select(light, media_dir, build_dir, settings, workers, tombstones, expected)
    ledger = _drop_duplicates(light, comments, selection, settings)
    chosen, absent = choose_annotators(settings)
    results = annotate_media(selection.media(), chosen, build_dir, settings, workers)
    drop_nsfw(selection, results, settings)
    tier = tier_of(media_dir, settings)
    store = RecordStore(records)
    material = Material(posts, comments, selection, results, store, settings, tier)
    alike = looking_alike(light, selection, settings.media.duplicate_bits)
    packed, counts = _pack(material, joined_splits(light, alike), work / "samples")
    # from here on the old release is incomplete: its manifest goes first and comes back last
    (release / NAME).unlink(missing_ok=True)
    files = write_shards(packed, DEFAULT_CONFIG, build_dir, settings, workers)
    facts = _facts(tier, chosen if selection.records else [], absent, counts, work)
    rows = chain(selection.media_rows, *ledger)
    write_media_ledger(hide_refused(rows, tombstones), build_dir / "ledger")
    root = close_release(files, release, facts, [i.as_dict() for i in inputs], settings.as_dict())
    return _summary(root, files, facts.comments, selection)


def _facts(
    tier: str,
    chosen: Sequence[AnnotatorChoice],
    absent: Mapping[str, str],
    counts: Mapping[str, Counter[str]],
    work: Path,
) -> CardFacts:
    """What card and manifest tell of this build."""
    told = [] if "language" in absent else [language.ROW]
    return CardFacts(
        tier=tier,
        annotators=[choice.as_row() for choice in chosen] + told,
        absent=absent,
        images=sum(count["image"] for count in counts.values()),
        videos=sum(count["video"] for count in counts.values()),
        comments=sum(count["comments"] for count in counts.values()),
        sources={
            split: {source: count[source] for source in SOURCES if count[source]}
            for split, count in counts.items()
        },
        replaced=_replaced(work / "text" / "privacy.json"),
    )


def _replaced(path: Path) -> dict[str, int]:
    """Personal data the text stage replaced, by class."""
    return json.loads(path.read_bytes()) if path.is_file() else {}


def tier_of(media_dir: Path | None, settings: Settings) -> str:
    """`full`, `metadata` (comments without media) or `ids`. Raises BuildError at another name."""
    tier = settings.shards.tier
    if tier not in ("full", "ids"):
        raise BuildError(f"shards.tier={tier!r}: expected full or ids")
    if tier == "full" and (media_dir is None or not settings.media.required):
        return "metadata"
    return tier


def _tidy(build_dir: Path, records: Path) -> None:
    """Remove what a killed run left half done."""
    for folder in (build_dir / "work", build_dir / "release", build_dir / "ledger"):
        sweep_partials(folder)
    shutil.rmtree(records / "scratch", ignore_errors=True)


def _drop_duplicates(
    light: Sequence[Mapping[str, Any]], comments: Comments, selection: Selection, settings: Settings
) -> tuple[Iterator[dict[str, Any]], Iterator[dict[str, Any]]]:
    """Merge posts with the same media; returns the ledger's rows of posts and comments."""
    by_id = {post["id"]: post for post in light}
    groups = same_looking_posts(light, selection, settings)
    post_drops, comment_drops = merge_posts(groups, by_id, comments, settings)
    selection.drops |= post_drops
    for post in post_drops:
        selection.records.pop(post)
    return (
        post_rows(light, selection.drops),
        comment_rows(comments, by_id, selection.drops, comment_drops, set(post_drops)),
    )


def annotate_media(
    media: dict[str, Path],
    chosen: Sequence[AnnotatorChoice],
    build_dir: Path,
    settings: Settings,
    workers: int,
) -> list[tuple[AnnotatorChoice, dict[str, Any]]]:
    """Run every chosen annotator over media it has not seen, and read all results."""
    work, limits = build_dir / "work", DecodeLimits.from_settings(settings)
    records = record_folder(work, settings)
    results = []
    for choice in chosen:
        tasks = annotation_tasks(choice, media, work, records, limits)
        run_tasks(run_annotation_task, tasks, workers, settings, build_dir, choice.field)
        results.append((choice, read_results(results_folder(work, choice, records))))
    return results


def _pack(
    material: Material, moved: Mapping[str, str], folder: Path
) -> tuple[dict[str, Path], dict[str, Counter[str]]]:
    """Packed samples of every split that has any, and their counts."""
    by_split: dict[str, list[str]] = {split: [] for split in SPLITS}
    ids = material.posts.column("id").to_pylist()
    for post, split in zip(ids, material.posts.column("split").to_pylist(), strict=True):
        if post not in material.selection.drops:
            by_split[moved.get(post, split)].append(post)
    packed: dict[str, Path] = {}
    counts: dict[str, Counter[str]] = {}
    for split, chosen in by_split.items():
        if chosen:
            packed[split] = folder / f"{split}.parquet"
            counts[split] = pack_split(material, chosen, packed[split])
    return packed, counts


def _summary(
    root: str, files: Sequence[ReleaseFile], comments: int, selection: Selection
) -> ReleaseSummary:
    tars = [file for file in files if file.path.endswith(".tar")]
    samples: Counter[str] = Counter()
    for tar in tars:
        samples[tar.path.removeprefix("data/").rsplit("-", 1)[0]] += tar.samples
    dropped = Counter(reason for reason, _ in selection.drops.values())
    size = sum(file.bytes for file in files)
    return ReleaseSummary(root, dict(samples), comments, len(files), size, dict(dropped))
