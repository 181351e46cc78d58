"""Kept posts to packed samples: one row per sample, in shard order, media by reference.

DuckDB sorts posts and comments by split and shard order and spills to disk; the two sorted streams
are then read side by side, so that memory holds a batch of samples, whatever their number.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.annotate import language
from dataset_builder.annotate.registry import AnnotatorChoice
from dataset_builder.media.kept_comments import Comments
from dataset_builder.media.record import MediaRecord, RecordStore
from dataset_builder.media.verdicts import Verdicts
from dataset_builder.samples.sample import Annotations, make_sample
from dataset_builder.samples.tiers import ids_only, make_checks
from dataset_builder.schema import POSTS
from dataset_builder.settings import Settings
from dataset_builder.shards.writer import PACKED, SPLITS, packed_row
from dataset_builder.text.pii import scrub_all
from dataset_builder.work.blob import EMPTY, Blob
from dataset_builder.work.sql import quote
from dataset_builder.work.tables import read_rows
from dataset_builder.work.whole_files import whole_file

BATCH = 1024
# as `shards.shard_order` sorts
ORDER = "split, sha256({id})"
# fields of annotators that hold what someone said or wrote
WORDED = ("asr", "scenes.text", "scenes.caption")
REPLACED = "replaced "  # counts of personal data, by class


@dataclass(frozen=True)
class Material:
    """Everything samples are made of; `results` are files of each annotator's values."""

    posts: Path
    comments: Comments
    judged: Verdicts
    results: Sequence[tuple[AnnotatorChoice, Sequence[Path]]]
    store: RecordStore
    settings: Settings
    tier: str


def pack(material: Material, folder: Path) -> tuple[dict[str, Path], dict[str, Counter[str]]]:
    """Write the packed samples of every split that has any; counts by source and media."""
    sort(material)
    packed: dict[str, Path] = {}
    counts: dict[str, Counter[str]] = {}
    finish = material.judged.folder
    posts = read_rows(finish / "posts.parquet", _columns(material))
    said = _Said(read_rows(finish / "comments.parquet", ["post_id", "id", "text", "likes"]))
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in groupby(posts, key=lambda row: row["split"]):
        packed[split] = folder / f"{split}.parquet"
        counts[split] = _pack_split(material, rows, said, packed[split])
    order = [split for split in SPLITS if split in packed]
    return {split: packed[split] for split in order}, {split: counts[split] for split in order}


def sort(material: Material) -> None:
    """Write kept posts and their comments under `judged.folder`, in the order of the shards."""
    judged = material.judged
    con, folder = judged.con, judged.folder
    con.execute(
        "CREATE TABLE kept AS SELECT id, s.split, sha256 "
        f"FROM {judged.now()} JOIN read_parquet({quote(judged.splits)}) s USING (id)"
    )
    joins, names = [], []
    for at, (_, files) in enumerate(material.results):
        if files:  # of a file annotated twice the later result counts
            listed = ", ".join(quote(file) for file in files)
            joins.append(
                f"LEFT JOIN (SELECT sha256, value FROM read_parquet([{listed}], filename=true) "
                "QUALIFY row_number() OVER (PARTITION BY sha256 ORDER BY filename DESC) = 1) "
                f"r{at} ON r{at}.sha256 = k.sha256"
            )
            names.append(f"r{at}.value AS r{at}")
    columns = ", ".join(["k.split", "k.sha256", *names])
    fields = ", ".join(f'p."{name}"' for name in POSTS.names if name != "split")
    size = f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {2 * BATCH})"
    con.execute(
        f"COPY (SELECT {fields}, {columns} FROM read_parquet({quote(material.posts)}) p "
        f"JOIN kept k USING (id) {' '.join(joins)} ORDER BY {ORDER.format(id='p.id')}) "
        f"TO {quote(folder / 'posts.parquet')} {size}"
    )
    con.execute(
        f"COPY (SELECT c.* FROM {material.comments.now()} c JOIN kept k ON c.post_id = k.id "
        f"ORDER BY {ORDER.format(id='c.post_id')}, rank) "
        f"TO {quote(folder / 'comments.parquet')} {size}"
    )
    con.execute("DROP TABLE kept")


def _columns(material: Material) -> list[str]:
    found = [f"r{at}" for at, (_, files) in enumerate(material.results) if files]
    return [*POSTS.names, "sha256", *found]


class _Said:
    """Comments of one post after the other, from a stream in the posts' own order."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._groups = groupby(rows, key=lambda row: row["post_id"])
        self._next: tuple[str, list[dict[str, Any]]] | None = None

    def of(self, post: str) -> list[dict[str, Any]]:
        """The comments of `post`, best first; posts must be asked for in order."""
        if self._next is None:
            found = next(self._groups, None)
            self._next = ("", []) if found is None else (found[0], list(found[1]))
        name, comments = self._next
        if name != post:
            return []
        self._next = None
        return comments


def _pack_split(
    material: Material, posts: Iterator[dict[str, Any]], said: _Said, out: Path
) -> Counter[str]:
    """Write the samples of `posts` to `out`."""
    counts: Counter[str] = Counter()
    with whole_file(out) as file, pq.ParquetWriter(file, PACKED) as writer:
        while rows := [_packed(post, said, material, counts) for post in islice(posts, BATCH)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=PACKED))
    return counts


def _packed(
    post: Mapping[str, Any], said: _Said, material: Material, counts: Counter[str]
) -> dict[str, Any]:
    """The packed row of one post: its sample as the tier wants it, its checks, its media."""
    record = material.store.read(post["sha256"]) if post["sha256"] else None
    comments = said.of(post["id"])
    annotations = _annotations(post, material, counts)
    told, annotations = _language(post, annotations, material.settings)
    sample = make_sample(post, comments, record, annotations, material.settings)
    checks = make_checks(post, comments, record, told)
    counts[sample["media_type"]] += 1
    counts["comments"] += len(sample["comments"])
    counts[sample["source"]] += 1
    if material.tier == "ids":
        sample = ids_only(sample, annotations)
    return packed_row(sample, checks, _media(record, material))


def _annotations(post: Mapping[str, Any], material: Material, counts: Counter[str]) -> Annotations:
    """The results for one file, personal data replaced and counted.

    An annotator that could not tell is not named in the sample.
    """
    found: Counter[str] = Counter()
    values: dict[str, Any] = {}
    rows: list[dict[str, str]] = []
    for at, (choice, _) in enumerate(material.results):
        text = post.get(f"r{at}")
        value = json.loads(text) if text is not None else None
        if value not in (None, "") and choice.field != "nsfw":
            if choice.field in WORDED and material.settings.privacy.placeholders:
                value = scrub_all(value, found)
            values[choice.field] = value
            rows.append(choice.as_row())
    counts.update({REPLACED + kind: count for kind, count in found.items()})
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


def _media(record: MediaRecord | None, material: Material) -> dict[str, Blob]:
    """The media members: both for every sample of a release that holds media."""
    if material.tier != "full" or record is None:
        return {}
    video = EMPTY
    if record.kind == "video":
        video = material.store.video_blob(record)
    return {"jpg": material.store.frame_blob(record, 0), "mp4": video}
