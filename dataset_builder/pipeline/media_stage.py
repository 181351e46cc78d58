"""The media half of a build: kept posts and comments in, a whole release folder out.

posts.parquet, comments.parquet -> media rules -> duplicates -> annotations -> samples -> shards,
metadata, card, manifest, ledger. Every step keeps its results on disk under `work/`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dataset_builder.annotate import language
from dataset_builder.annotate.registry import AnnotatorChoice, choose_annotators
from dataset_builder.annotate.run import annotate_media, read_file
from dataset_builder.errors import BuildError
from dataset_builder.forget.forget import refuse_forgotten
from dataset_builder.funnel.labels import labels, sentences
from dataset_builder.ledger.reasons import NSFW
from dataset_builder.ledger.tombstones import Tombstones, load_tombstones
from dataset_builder.media.duplicates import looking_alike, merge_duplicates
from dataset_builder.media.examine import record_folder
from dataset_builder.media.judge import Expected
from dataset_builder.media.kept_comments import Comments
from dataset_builder.media.ledger_rows import write_media_ledger
from dataset_builder.media.passes import select
from dataset_builder.media.record import RecordStore
from dataset_builder.media.splits import write_splits
from dataset_builder.media.verdicts import Verdicts
from dataset_builder.schema import SOURCES, InputDigest, ReleaseSummary
from dataset_builder.settings import Settings
from dataset_builder.shards.card import CardFacts
from dataset_builder.shards.close import close_release, write_shards
from dataset_builder.shards.manifest import NAME, ReleaseFile
from dataset_builder.shards.pack import REPLACED, Material, pack
from dataset_builder.shards.writer import DEFAULT_CONFIG
from dataset_builder.work.whole_files import sweep


def media_stage(
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
    _tidy(build_dir, record_folder(build_dir / "work", settings))
    tombstones = load_tombstones(build_dir)
    refuse_forgotten(build_dir, tombstones)
    judged = select(build_dir, media_dir, settings, workers, tombstones, expected)
    try:
        return _release(judged, media_dir, inputs, workers, tombstones)
    finally:
        judged.close()


def _release(
    judged: Verdicts,
    media_dir: Path | None,
    inputs: Sequence[InputDigest],
    workers: int,
    tombstones: Tombstones,
) -> ReleaseSummary:
    """Everything after judging: duplicates, annotations, samples, shards, ledger, card."""
    settings, build_dir = judged.settings, judged.layout.root
    work, release = judged.layout.work, build_dir / "release"
    store = RecordStore(record_folder(work, settings))
    comments = Comments(judged.con, judged.layout.text / "comments.parquet")
    merged = merge_duplicates(judged, store, comments, settings)
    judged.drop(merged.posts)
    comments.replace(merged.replaced)
    chosen, absent = choose_annotators(settings)
    results = [(choice, files) for choice, files, _ in annotate_media(judged, chosen, workers)]
    drop_nsfw(judged, results)
    tier = tier_of(media_dir, settings)
    posts = judged.layout.text / "posts.parquet"
    material = Material(posts, comments, judged, results, store, settings, tier)
    write_splits(judged, looking_alike(judged, store, settings.media.duplicate_bits))
    packed, counts = pack(material, work / "samples")
    # from here on the old release is incomplete: its manifest goes first and comes back last
    (release / NAME).unlink(missing_ok=True)
    files = write_shards(packed, DEFAULT_CONFIG, build_dir, settings, workers)
    facts = _facts(tier, chosen if judged.has_media() else [], absent, counts, work)
    write_media_ledger(judged, comments, merged, tombstones)
    hours = {name: settings.source(name).early_hours for name in SOURCES}
    facts = replace(facts, labels=sentences(labels(build_dir), hours))
    root = close_release(files, release, facts, [i.as_dict() for i in inputs], settings.as_dict())
    return _summary(root, files, facts.comments, judged.reasons())


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
        replaced=_replaced(work / "text" / "privacy.json", counts),
    )


def _replaced(path: Path, counts: Mapping[str, Counter[str]]) -> dict[str, int]:
    """Personal data replaced in the dumps' texts and in what annotators told, by class."""
    found = Counter[str](json.loads(path.read_bytes()) if path.is_file() else {})
    for count in counts.values():
        for name in count:
            if name.startswith(REPLACED):
                found[name.removeprefix(REPLACED)] += count[name]
    return dict(sorted(found.items()))


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
        sweep(folder)
    shutil.rmtree(records / "scratch", ignore_errors=True)


def drop_nsfw(judged: Verdicts, results: Sequence[tuple[AnnotatorChoice, Sequence[Path]]]) -> None:
    """Drop posts whose media an NSFW annotator put above `media.max_nsfw`."""
    limit = judged.settings.media.max_nsfw
    for choice, files in results:
        if choice.field != "nsfw" or limit is None:
            continue
        scores: dict[str, float] = {}
        for path in files:
            found = {sha: score for sha, score in read_file(path) if score is not None}
            scores = {sha: s for sha, s in scores.items() if sha not in found}
            scores |= {sha: score for sha, score in found.items() if score > limit}
        rows = judged.where("sha256", scores, "id, sha256")
        judged.drop({row["id"]: (NSFW, f"{scores[row['sha256']]:.3f}") for row in rows})


def _summary(
    root: str, files: Sequence[ReleaseFile], comments: int, dropped: dict[str, int]
) -> ReleaseSummary:
    tars = [file for file in files if file.path.endswith(".tar")]
    samples: Counter[str] = Counter()
    for tar in tars:
        samples[tar.path.removeprefix("data/").rsplit("-", 1)[0]] += tar.samples
    size = sum(file.bytes for file in files)
    return ReleaseSummary(root, dict(samples), comments, len(files), size, dropped)
