"""Samples to WebDataset tars and their metadata Parquet: fixed order, fixed headers, whole files.

Samples stand in the order of a hash of their ids, which mixes sources and years inside a shard, and
a sample is never split. A finished shard is recognised on the next run by its plan (what should be
in it), so a killed build writes only what is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.samples.fields import metadata_schema
from dataset_builder.shards.manifest import ReleaseFile
from dataset_builder.work.blob import BLOB, Blob
from dataset_builder.work.ustar import BLOCK, padding, write_tar
from dataset_builder.work.whole_files import whole_file, write_bytes

DEFAULT_CONFIG = "default"
METADATA_ROWS = 4096  # of one row group
SPLITS = ("train", "validation", "test")
# work/samples/{split}.parquet: samples in shard order, media by reference
PACKED = pa.schema(
    [
        ("key", pa.string()),
        ("tar_bytes", pa.int64()),
        ("json", pa.binary()),
        ("checks", pa.binary()),
        ("media", pa.map_(pa.string(), BLOB)),
    ]
)


@dataclass(frozen=True)
class ShardTask:
    """One tar and its metadata file: rows [first, first + count) of a packed-samples file."""

    samples: Path
    first: int
    count: int
    path: str
    metadata: str
    release: Path
    state: Path


def packed_row(
    sample: dict[str, Any], checks: dict[str, Any], media: dict[str, Blob]
) -> dict[str, Any]:
    """A row of PACKED; members keep the order json, then `media`."""
    json_data = encode_json(sample)
    sizes = [len(json_data), *(blob.size for blob in media.values())]
    return {
        "key": sample["id"],
        "tar_bytes": sum(BLOCK + size + len(padding(size)) for size in sizes),
        "json": json_data,
        "checks": encode_json(checks),
        "media": [(name, blob.__dict__) for name, blob in media.items()],
    }


def shard_order(key: str) -> str:
    """Sort key of a sample: a hash, so that neighbours in a shard have nothing in common."""
    return hashlib.sha256(key.encode()).hexdigest()


def plan_shards(
    split: str, samples: Path, release: Path, state: Path, max_bytes: int, config: str
) -> list[ShardTask]:
    """Cut a split into shards of at most `max_bytes` (a larger sample stands alone).

    The default config lies at the top, any other one in a folder of its name.
    """
    inside = "" if config == DEFAULT_CONFIG else f"{config}/"
    sizes = pq.read_table(samples, columns=["tar_bytes"]).column(0).to_numpy().tolist()
    starts: list[int] = []
    filled = 0
    for at, size in enumerate(sizes):
        if not starts or filled + size > max_bytes:
            starts.append(at)
            filled = 0
        filled += size
    ends = [*starts[1:], len(sizes)]
    return [
        ShardTask(
            samples=samples,
            first=first,
            count=end - first,
            path=f"data/{inside}{split}-{at:05d}.tar",
            metadata=f"metadata/{inside}{split}-{at:05d}.parquet",
            release=release,
            state=state,
        )
        for at, (first, end) in enumerate(zip(starts, ends, strict=True))
    ]


def run_shard_task(task: ShardTask) -> None:
    """Write the tar and metadata of `task` unless both are already there as planned."""
    digest = _plan_digest(task, _rows(task))
    note = state_note(task.state, task.path)
    if _finished(note, digest, task.release):
        return
    tar = _write_tar(_rows(task), task.release / task.path)
    metadata = (
        {**decode_json(row["json"]), **decode_json(row["checks"]), "shard": task.path}
        for row in _rows(task)
    )
    table = write_metadata(metadata, task.release / task.metadata)
    files = [
        ReleaseFile(task.path, *tar, task.count),
        ReleaseFile(task.metadata, *table, task.count),
    ]
    task.state.mkdir(parents=True, exist_ok=True)
    write_bytes(note, encode_json({"plan": digest, "files": [f.__dict__ for f in files]}))


def state_note(state: Path, path: str) -> Path:
    """Where the build remembers what it wrote as shard `path`."""
    return state / f"{path.removeprefix('data/').replace('/', '.')}.json"


def config_of(path: str) -> str:
    """The config that a release path belongs to."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else DEFAULT_CONFIG


def read_note(note: Path) -> list[ReleaseFile]:
    """The files of a written shard."""
    return [ReleaseFile(**entry) for entry in json.loads(note.read_bytes())["files"]]


def write_metadata(rows: Iterable[dict[str, Any]], path: Path) -> tuple[int, str]:
    """Write metadata rows as Parquet; returns its bytes and sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema, left = metadata_schema(), iter(rows)
    with whole_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(left, METADATA_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    with path.open("rb") as opened:
        return path.stat().st_size, hashlib.file_digest(opened, "sha256").hexdigest()


def encode_json(value: Any) -> bytes:
    """JSON bytes, keys in the order given; the same value gives the same bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes its JSON escape


def decode_json(data: bytes) -> Any:
    """What `encode_json` encoded."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)  # lone surrogates, which orjson refuses


def _rows(task: ShardTask) -> Iterator[dict[str, Any]]:
    """The packed rows of one shard, a row group in memory at a time; others are not read."""
    with pq.ParquetFile(task.samples) as file:
        at = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if at < task.first + task.count and at + size > task.first:
                low, high = max(0, task.first - at), task.first + task.count - at
                yield from file.read_row_group(group).slice(low, min(high, size) - low).to_pylist()
            at += size


def _plan_digest(task: ShardTask, rows: Iterable[dict[str, Any]]) -> str:
    """SHA-256 over the name, size and content hash of every member."""
    found = hashlib.sha256(task.path.encode())
    for row in rows:
        found.update(f"{row['key']}:{len(row['json'])}\n".encode() + row["json"] + row["checks"])
        for name, blob in row["media"]:
            found.update(f"\n{name}:{blob['size']}:{blob['sha256']}\n".encode())
    return found.hexdigest()


def _write_tar(rows: Iterable[dict[str, Any]], path: Path) -> tuple[int, str]:
    return write_tar((member for row in rows for member in _members(row)), path)


def _members(row: dict[str, Any]) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    yield f"{row['key']}.json", len(row["json"]), iter([row["json"]])
    for extension, blob in row["media"]:
        yield f"{row['key']}.{extension}", blob["size"], Blob(**blob).blocks()


def _finished(note: Path, digest: str, release: Path) -> bool:
    """Whether a shard written before by the same plan is still what it was."""
    if not note.is_file() or json.loads(note.read_bytes())["plan"] != digest:
        return False
    for file in read_note(note):
        path = release / file.path
        if not path.is_file() or path.stat().st_size != file.bytes:
            return False
        with path.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
                return False
    return True
