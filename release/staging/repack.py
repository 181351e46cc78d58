"""Shards by source, and a config of records without media.

A build mixes its sources inside every shard. A config of one source can then only be had by giving
each source its own shards; bytes of members are copied as they are, and every shard keeps the
number of the one it came from, so that an item that leaves touches one shard and no other.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.errors import ReleaseError
from release.shards import BLOCK, END, DamagedShard, Member, header, read_members

RECORDS_A_FILE = 50_000
COPY = 1 << 20


@dataclass
class Repacked:
    """Samples of every file written, and the shards of every config and split."""

    samples: dict[str, int] = field(default_factory=dict)
    shards: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def add(self, path: str, samples: int, config: str, split: str) -> None:
        self.samples[path] = samples
        self.shards.setdefault(config, {}).setdefault(split, []).append(path)


def repack(source: Path, target: Path, tars: Iterable[str], multiple: bool) -> Repacked:
    """Write shards and metadata of `target`. `multiple`: split shards by source.

    `tars` are paths of the build's shards: data/SPLIT-NNNNN.tar, or data/CONFIG/SPLIT-NNNNN.tar,
    which stay as they are. Raises: ReleaseError for a shard without its metadata.
    """
    done = Repacked()
    for path in sorted(tars):
        parts = path.split("/")
        split, _, number = parts[-1].removesuffix(".tar").rpartition("-")
        if len(parts) > 2:
            _copy_config(source, target, path, parts[1], split, done)
        elif multiple:
            _by_source(source, target, split, number, done)
        else:
            _copy_config(source, target, path, "default", split, done)
    return done


def metadata_of(path: str) -> str:
    """The metadata file that belongs to a shard."""
    return path.replace("data/", "metadata/", 1).removesuffix(".tar") + ".parquet"


def _copy_config(
    source: Path, target: Path, path: str, config: str, split: str, done: Repacked
) -> None:
    table = metadata_of(path)
    if not (source / table).is_file():
        raise ReleaseError(f"{path} has no {table}; build the release again")
    for name in (path, table):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    rows = pq.read_metadata(target / table).num_rows
    done.add(path, rows, config, split)
    done.samples[table] = rows


def _by_source(source: Path, target: Path, split: str, number: str, done: Repacked) -> None:
    path = f"data/{split}-{number}.tar"
    table = pq.read_table(source / metadata_of(path))
    source_of = dict(zip(table["id"].to_pylist(), table["source"].to_pylist(), strict=True))
    counted = _split_tar(source / path, target, split, number, source_of)
    for name, keys in sorted(counted.items()):
        shard = f"data/{split}-{number}-{name}.tar"
        rows = table.filter(pc.equal(table["source"], name))
        if set(rows["id"].to_pylist()) != keys:
            raise ReleaseError(
                f"{path} and {metadata_of(path)} hold different samples; build again"
            )
        at = rows.schema.get_field_index("shard")
        rows = rows.set_column(at, "shard", pa.array([shard] * len(rows), pa.string()))
        _write_table(rows, target / metadata_of(shard))
        done.add(shard, len(keys), "default", split)
        done.add(shard, len(keys), name, split)
        done.samples[metadata_of(shard)] = len(keys)


def _split_tar(
    path: Path, target: Path, split: str, number: str, source_of: dict[str, str]
) -> dict[str, set[str]]:
    """Copy each member into the tar of its source; returns the keys of each source."""
    keys: dict[str, set[str]] = {}
    with ExitStack() as stack:
        read = stack.enter_context(path.open("rb"))
        written: dict[str, BinaryIO] = {}
        try:
            for member in read_members(read):
                name = source_of.get(member.key)
                if name is None:
                    raise ReleaseError(f"{path.name}: {member.key} is in no metadata; build again")
                if name not in written:
                    to = target / "data" / f"{split}-{number}-{name}.tar"
                    to.parent.mkdir(parents=True, exist_ok=True)
                    written[name] = stack.enter_context(to.open("wb"))
                keys.setdefault(name, set()).add(member.key)
                copy_member(read, member, written[name])
        except DamagedShard as error:
            raise ReleaseError(f"{path.name} is damaged: {error}; run `blift verify`") from error
        for file in written.values():
            file.write(END)
    return keys


def copy_member(read: BinaryIO, member: Member, write: BinaryIO) -> None:
    """Header, content and padding, byte for byte."""
    read.seek(member.offset)
    left = member.end - member.offset
    while left:
        block = read.read(min(COPY, left))
        write.write(block)
        left -= len(block)


def _write_table(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=4096)


def write_records(target: Path, split: str, done: Repacked) -> None:
    """The config `metadata`: one json member per sample, so that one builder reads every config."""
    shards = done.shards["default"][split]
    rows = _rows(target, shards)
    number, row = 0, next(rows, None)
    while row is not None:
        path = f"records/{split}-{number:05d}.tar"
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        held = 0
        with (target / path).open("wb") as file:
            while row is not None and held < RECORDS_A_FILE:
                _write_record(file, row)
                held, row = held + 1, next(rows, None)
            file.write(END)
        done.add(path, held, "metadata", split)
        number += 1


def _rows(target: Path, shards: list[str]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        with pq.ParquetFile(target / metadata_of(shard)) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()


def _write_record(file: BinaryIO, row: dict[str, Any]) -> None:
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "backslashreplace")
    file.write(header(f"{row['id']}.json", len(data)) + data + bytes(-len(data) % BLOCK))
