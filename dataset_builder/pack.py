"""Kept posts to packed samples: one row per sample, in shard order, media by reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder import language
from dataset_builder.annotate.registry import AnnotatorChoice
from dataset_builder.atomic import atomic_file
from dataset_builder.blob import EMPTY, Blob
from dataset_builder.comment_table import Comments
from dataset_builder.media_record import MediaRecord, RecordStore
from dataset_builder.sample import Annotations, make_sample
from dataset_builder.select_media import Selection
from dataset_builder.settings import Settings
from dataset_builder.shards import PACKED, packed_row, shard_order
from dataset_builder.tiers import ids_only, make_checks

BATCH = 256


@dataclass(frozen=True)
class Material:
    """Everything samples are made of; `results` are by annotator, then by media hash."""

    posts: pa.Table
    comments: Comments
    selection: Selection
    results: Sequence[tuple[AnnotatorChoice, Mapping[str, Any]]]
    store: RecordStore
    settings: Settings
    tier: str


def pack_split(material: Material, ids: Sequence[str], out: Path) -> Counter[str]:
    """Write the samples of posts `ids` to `out` in shard order; counts by source and media."""
    order = sorted(ids, key=shard_order)
    row_of = {post: at for at, post in enumerate(material.posts.column("id").to_pylist())}
    counts: Counter[str] = Counter()
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as file, pq.ParquetWriter(file, PACKED) as writer:
        for at in range(0, len(order), BATCH):
            chosen = material.posts.take([row_of[post] for post in order[at : at + BATCH]])
            rows = []
            for post in chosen.to_pylist():
                sample, checks = _sample(post, material)
                counts[sample["media_type"]] += 1
                counts["comments"] += len(sample["comments"])
                counts[sample["source"]] += 1
                rows.append(packed_row(sample, checks, _media(post, material)))
            writer.write_table(pa.Table.from_pylist(rows, schema=PACKED))
    return counts


def _sample(post: Mapping[str, Any], material: Material) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sample as the tier wants it, and the columns by which it can be found and checked."""
    record = material.selection.records.get(post["id"])
    annotations = _annotations(record, material)
    comments = material.comments.of(post["id"])
    language, annotations = _language(post, annotations, material.settings)
    sample = make_sample(post, comments, record, annotations, material.settings)
    checks = make_checks(post, comments, record, language)
    return (ids_only(sample, annotations) if material.tier == "ids" else sample), checks


def _annotations(record: MediaRecord | None, material: Material) -> Annotations:
    """The results for one file; an annotator that could not tell is not named in the sample."""
    values: dict[str, Any] = {}
    rows: list[dict[str, str]] = []
    for choice, results in material.results:
        value = results.get(record.sha256) if record else None
        if value not in (None, "") and choice.field != "nsfw":
            values[choice.field] = value
            rows.append(choice.as_row())
    return Annotations(values, tuple(rows))


def _language(
    post: Mapping[str, Any], annotations: Annotations, settings: Settings
) -> tuple[str | None, Annotations]:
    """A post's language and, where the annotator told it, the annotations with its name."""
    tag = post["language"]
    if tag or language.annotator_missing(settings):
        return tag, annotations
    texts = [post["asr"] or annotations.values.get("asr"), post["title"]]
    found = language.language_of(texts, settings.youtube.language_confidence)
    if found is None:
        return None, annotations
    return found, replace(annotations, rows=(*annotations.rows, language.ROW))


def _media(post: Mapping[str, Any], material: Material) -> dict[str, Blob]:
    """The media members: both for every sample of a release that holds media."""
    if material.tier != "full":
        return {}
    record = material.selection.records[post["id"]]
    video = EMPTY
    if record.kind == "video":
        video = material.store.video_blob(record, material.selection.paths[post["id"]])
    return {"jpg": material.store.frame_blob(record, 0), "mp4": video}
