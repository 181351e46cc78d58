"""What the reading tasks leave for the text stage: staged rows, by hash of the post id."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from dataset_builder.settings import Settings
from dataset_builder.work.layout import Layout
from dataset_builder.work.sql import connect, quote

READ = "read*"  # folders of the reading stages
MOVED = "moved"  # comments whose post was merged into another
COUNTS = "counts.json"  # items of a reading task: what the ledger must add up to


@dataclass(frozen=True)
class TextBuild:
    """Everything a reading task needs besides its files."""

    layout: Layout
    settings: Settings
    partitions: int
    threads: int
    stage: str = "read"

    @property
    def key(self) -> bytes:
        """The secret of the author hashes; read where it is used, so that no log can hold it."""
        return self.layout.key_file.read_bytes()

    def with_threads(self, threads: int) -> "TextBuild":
        """The same with another thread count."""
        return replace(self, threads=threads)

    def connection(self, name: str) -> duckdb.DuckDBPyConnection:
        """A connection for this task."""
        return connect(self.layout, self.settings.build.memory_mb, self.threads, name)


def task_folder(layout: Layout, stage: str, task: int) -> Path:
    """Where a reading task leaves its partitions."""
    return layout.parts / stage / f"{task:05d}"


def items_read(layout: Layout) -> Counter[str]:
    """Posts and comments every reading task found, malformed lines included."""
    found = Counter[str]()
    for file in layout.parts.glob(f"{READ}/?????/{COUNTS}"):
        found.update(json.loads(file.read_text(encoding="utf-8")))
    return found


def staged_files(layout: Layout, stage: str, kind: str, part: int) -> list[Path]:
    """Files with rows of one partition, from every task of a stage (or of some: `READ`)."""
    return sorted(layout.parts.glob(f"{stage}/?????/{kind}/part={part}/*.parquet"))


class Chunks:
    """Collects tables and writes them, partitioned, whenever they grow to a chunk."""

    def __init__(self, con: duckdb.DuckDBPyConnection, folder: Path, partitions: int) -> None:
        self.con, self.folder, self.partitions = con, folder, partitions
        self.number = 0

    def write(self, select: str, kind: str, key: str) -> int:
        """Write the query's rows as `<folder>/<kind>/part=K/c<n>_*.parquet`; returns how many."""
        target = self.folder / kind
        target.mkdir(parents=True, exist_ok=True)
        done = self.con.execute(
            f"COPY (SELECT *, hash({key}) % {self.partitions} AS part FROM ({select})) "
            f"TO {quote(target)} (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (part), "
            f"FILENAME_PATTERN 'c{self.number:05d}_{{i}}', OVERWRITE_OR_IGNORE)"
        )
        self.number += 1
        return int(done.fetchall()[0][0])
