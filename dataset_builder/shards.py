"""Samples to WebDataset tars and their metadata Parquet: fixed order, fixed headers, whole files.

Samples stand in the order of a hash of their ids, which mixes sources and years inside a shard, and
a sample is never split. A finished shard is recognised on the next run by its plan (what should be
in it), so a killed build writes only what is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.atomic import atomic_file, write_atomic
from dataset_builder.features import metadata_schema
from dataset_builder.ustar import BLOCK, END, header, padding

SPLITS = ("train", "validation", "test")
COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Blob:
    """Content of one member: bytes at hand, or a file of known size and hash."""

    size: int
    sha256: str
    data: bytes | None
    path: Path | None

    @classmethod
    def of(cls, data: bytes) -> Blob:
        return cls(len(data), hashlib.sha256(data).hexdigest(), data, None)

    def blocks(self) -> Iterator[bytes]:
        """The content; raises OSError where the file changed its size meanwhile."""
        if self.data is not None:
            yield self.data
            return
        assert self.path is not None
        left = self.size
        with self.path.open("rb") as file:
            while block := file.read(COPY_BYTES):
                left -= len(block)
                yield block
        if left:
            raise OSError(f"{self.path} changed while it was packed: {-left:+} bytes; run again")


@dataclass(frozen=True)
class PackedSample:
    """A sample ready to write: members in order ("json" first), metadata row."""

    key: str
    members: tuple[tuple[str, Blob], ...]
    row: dict[str, Any]

    def tar_bytes(self) -> int:
        return sum(BLOCK + blob.size + len(padding(blob.size)) for _, blob in self.members)


@dataclass(frozen=True)
class ShardPlan:
    """One tar and its metadata file, by paths inside the release."""

    path: str
    metadata: str
    samples: tuple[PackedSample, ...]

    def digest(self) -> str:
        """SHA-256 over every member's name and content hash, and the metadata rows."""
        found = hashlib.sha256(self.path.encode())
        for sample in self.samples:
            for extension, blob in sample.members:
                found.update(f"{sample.key}.{extension}:{blob.size}:{blob.sha256}\n".encode())
            found.update(encode_json(sample.row))
        return found.hexdigest()


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release as the manifest lists it; `samples` is None for README.md."""

    path: str
    bytes: int
    sha256: str
    samples: int | None


def plan_shards(split: str, samples: Iterable[PackedSample], max_bytes: int) -> list[ShardPlan]:
    """Cut a split's samples into shards of at most `max_bytes` (a larger sample stands alone)."""
    shards: list[list[PackedSample]] = []
    size = 0
    for sample in sorted(samples, key=lambda s: shard_order(s.key)):
        if not shards or size + sample.tar_bytes() > max_bytes:
            shards.append([])
            size = 0
        shards[-1].append(sample)
        size += sample.tar_bytes()
    return [
        ShardPlan(f"data/{split}-{at:05d}.tar", f"metadata/{split}-{at:05d}.parquet", tuple(shard))
        for at, shard in enumerate(shards)
    ]


def shard_order(key: str) -> str:
    """Sort key of a sample: a hash, so that neighbours in a shard have nothing in common."""
    return hashlib.sha256(key.encode()).hexdigest()


def write_shard(plan: ShardPlan, release: Path, state: Path) -> list[ReleaseFile]:
    """Write the tar and metadata of `plan` unless both are already there as planned."""
    note = state / f"{Path(plan.path).stem}.json"
    digest = plan.digest()
    done = _finished(note, digest, release)
    if done is not None:
        return done
    tar = _write_tar(plan, release / plan.path)
    rows = [{**sample.row, "shard": plan.path} for sample in plan.samples]
    table = write_metadata(rows, release / plan.metadata)
    files = [
        ReleaseFile(plan.path, *tar, len(plan.samples)),
        ReleaseFile(plan.metadata, *table, len(plan.samples)),
    ]
    state.mkdir(parents=True, exist_ok=True)
    write_atomic(note, encode_json({"plan": digest, "files": [f.__dict__ for f in files]}))
    return files


def write_metadata(rows: Sequence[dict[str, Any]], path: Path) -> tuple[int, str]:
    """Write metadata rows as Parquet; returns its bytes and sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=metadata_schema())
    with atomic_file(path) as file:
        pq.write_table(table, file, compression="zstd")
    data = path.read_bytes()
    return len(data), hashlib.sha256(data).hexdigest()


def encode_json(value: Any) -> bytes:
    """Canonical JSON: the same value gives the same bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=False)
    return text.encode("utf-8", "backslashreplace")


def _write_tar(plan: ShardPlan, path: Path) -> tuple[int, str]:
    """Write the tar; returns its bytes and sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found, size = hashlib.sha256(), 0
    with atomic_file(path) as file:
        for block in _tar_blocks(plan.samples):
            file.write(block)
            found.update(block)
            size += len(block)
    return size, found.hexdigest()


def _tar_blocks(samples: Sequence[PackedSample]) -> Iterator[bytes]:
    for sample in samples:
        for extension, blob in sample.members:
            yield header(f"{sample.key}.{extension}", blob.size)
            yield from blob.blocks()
            yield padding(blob.size)
    yield END


def _finished(note: Path, digest: str, release: Path) -> list[ReleaseFile] | None:
    """The files of a shard written before by the same plan, if they are still what they were."""
    if not note.is_file():
        return None
    state = json.loads(note.read_bytes())
    if state["plan"] != digest:
        return None
    files = [ReleaseFile(**entry) for entry in state["files"]]
    for file in files:
        path = release / file.path
        if not path.is_file() or path.stat().st_size != file.bytes:
            return None
        with path.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
                return None
    return files
