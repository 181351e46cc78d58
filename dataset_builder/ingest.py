"""Reading: one task per input file, staged rows out, in partitions by hash of the post id.

A task writes a folder and renames it when the file was read to its checked end.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dataset_builder import authors, reddit, youtube
from dataset_builder.documents import is_release_file, records
from dataset_builder.engine import progress_file
from dataset_builder.ledger import LedgerWriter
from dataset_builder.ndjson import Tally, tables
from dataset_builder.overlap import ahead
from dataset_builder.quarantine import check_files, check_share, malformed, set_apart
from dataset_builder.schema import InputDigest
from dataset_builder.settings import Settings
from dataset_builder.staging import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.streams import Budget
from dataset_builder.workdir import (
    Layout,
    connect,
    literal,
    publish,
    temporary,
)

POST_NAMES = ", ".join(f'"{name}"' for name in STAGED_POSTS.names)
COMMENT_NAMES = ", ".join(f'"{name}"' for name in STAGED_COMMENTS.names)
CHUNK_ROWS = 100_000
DOCUMENT_ROWS = 20_000  # as Python objects, which take ten times the room
READ = "read*"  # folders of the reading stages
MOVED = "moved"  # comments whose post was merged into another
COUNTS = "counts.json"  # items of a reading task: what the ledger must add up to
CHUNK_BYTES = 32 << 20


@dataclass(frozen=True)
class Source:
    """One input file of a reading task."""

    path: Path
    digest: InputDigest


@dataclass(frozen=True)
class Reading:
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

    def with_threads(self, threads: int) -> "Reading":
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
            f"TO {literal(target)} (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (part), "
            f"FILENAME_PATTERN 'c{self.number:05d}_{{i}}', OVERWRITE_OR_IGNORE)"
        )
        self.number += 1
        return int(done.fetchall()[0][0])


def grouped(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables joined into chunks of about CHUNK_ROWS rows."""
    box: list[pa.Table] = []
    rows = size = 0
    for table in parts:
        box.append(table)
        rows, size = rows + table.num_rows, size + table.nbytes
        if rows >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield pa.concat_tables(box)
            box, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(box)


def read_submissions(reading: Reading, task: int, source: Source) -> None:
    """One Reddit submissions file (or the authors' release) to staged posts."""
    if is_release_file(source.path, Budget.of(reading.settings)):
        read_documents(reading, task, [source])
        return
    ours = reddit.wanted(reading.settings, unknown=False)
    posts = reddit.submissions_sql(reading.settings, reading.key)
    with _Task(reading, task, "post") as job:
        for rows in job.chunks(source, reddit.SUBMISSION_FIELDS):
            read = job.ledger.refusal.posts(f"SELECT {POST_NAMES} FROM ({posts} WHERE {ours})")
            if job.out.write(read, "posts", "id") < rows:
                job.ledger.add(_other_subreddits("post", "'reddit-' || id", ours))


def read_comments(reading: Reading, task: int, source: Source) -> None:
    """One Reddit comments file to staged comments, whatever became of their posts."""
    ours = reddit.wanted(reading.settings, unknown=True)
    author = reddit.author_hash("author", reading.key)
    with _Task(reading, task, "comment") as job:
        for rows in job.chunks(source, reddit.COMMENT_FIELDS):
            read = job.ledger.refusal.comments(f"{reddit.comment_rows()} WHERE {ours}", author)
            staged = reddit.comments_sql(read, reading.settings, reading.key)
            select = f"SELECT {COMMENT_NAMES} FROM ({staged})"
            if job.out.write(select, "comments", "post_id") < rows:
                job.ledger.add(_other_subreddits("comment", "id", ours))


def _other_subreddits(kind: str, id: str, ours: str) -> str:
    """SQL: ledger rows of what a dump of all of Reddit holds besides."""
    return (
        f"SELECT 'read' AS stage, '{kind}' AS kind, {id} AS id, 'reddit' AS source, "
        "NULL AS media_type, false AS kept, 'other_subreddit' AS reason, "
        # the subreddit u_NAME is its owner's profile
        "CASE WHEN subreddit ILIKE 'u\\_%' ESCAPE '\\' THEN 'a profile' "
        f"ELSE lower(subreddit) END AS value FROM raw WHERE NOT {ours}"
    )


def read_documents(reading: Reading, task: int, sources: Sequence[Source]) -> None:
    """YouTube records, or the authors' release, to staged posts and comments."""
    with _Task(reading, task, "post") as job:
        rows, good, bad = youtube.Rows(), 0, 0
        first: Path | None = None
        for source in sources:
            tally = Tally()
            for record, line in records(source.path, Budget.of(reading.settings), tally):
                try:
                    if authors.is_release(record):
                        authors.parse(record, reading.settings, rows)
                    else:
                        youtube.parse(record, rows)
                    tally.documents += 1
                except ValueError as error:
                    tally.add(line, b"", str(error))
                if len(rows.posts) + len(rows.comments) >= DOCUMENT_ROWS:
                    job.flush(rows)
                    job.note(tally)
            job.finish_file(source, tally, alone=len(sources) == 1)
            good, bad = good + tally.documents, bad + len(tally.bad)
            first = first or (source.path if tally.bad else None)
        if first:
            check_files(first, good, bad, reading.layout.quarantine, reading.settings.build)
        job.flush(rows)


class _Task:
    """One reading task: its connection, temporary folder, ledger and quarantine."""

    def __init__(self, reading: Reading, task: int, kind: str) -> None:
        self.reading, self.kind, stage = reading, kind, reading.stage
        self.final = task_folder(reading.layout, stage, task)
        self.folder = temporary(self.final)
        self.folder.mkdir(parents=True)
        self.con = reading.connection(f"{stage}-{task}")
        self.out = Chunks(self.con, self.folder, reading.partitions)
        self.ledger = LedgerWriter(self.con, reading.layout, f"text-{stage}-{task:05d}")
        self.items = Counter[str]()
        self.progress = progress_file(reading.layout.logs / stage, task)

    def __enter__(self) -> "_Task":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self.ledger.close()
                self.ledger.refusal.save(self.folder)
                (self.folder / COUNTS).write_text(json.dumps(self.items), encoding="utf-8")
                publish(self.folder, self.final)
        finally:
            self.con.close()

    def chunks(self, source: Source, fields: Sequence[str]) -> Iterator[int]:
        """Register each chunk of the file as `raw`, and say how many rows it has.

        The file's tally is settled at its end.
        """
        tally, budget = Tally(), Budget.of(self.reading.settings)
        parts = tables(source.path, fields, "id", budget, tally, self.reading.threads)
        for table in ahead(grouped(parts)):
            self.con.register("raw", table)
            yield table.num_rows
            self.con.unregister("raw")
            self.note(tally)
        self.finish_file(source, tally)

    def note(self, tally: Tally) -> None:
        """Leave word of the bytes read so far, for the progress bar of the first process."""
        if tally.used:
            self.progress.parent.mkdir(parents=True, exist_ok=True)
            self.progress.write_text(str(tally.used[-1]), encoding="ascii")

    def flush(self, rows: youtube.Rows) -> None:
        """Write gathered rows and empty the lists."""
        for kind, items, schema, key in (
            ("post", rows.posts, STAGED_POSTS, "id"),
            ("comment", rows.comments, STAGED_COMMENTS, "post_id"),
        ):
            if items:
                self.con.register("rows", pa.Table.from_pylist(items, schema=schema))
                allowed = getattr(self.ledger.refusal, f"{kind}s")
                self.out.write(allowed("SELECT * FROM rows"), f"{kind}s", key)
                self.con.unregister("rows")
                self.items[kind] += len(items)
                items.clear()

    def finish_file(self, source: Source, tally: Tally, alone: bool = True) -> None:
        """Set the file's bad lines apart; raises TooManyBadLines over the allowed share."""
        self.items[self.kind] += len(tally.bad) + tally.rows
        if tally.bad:
            target = set_apart(source.digest, tally, self.reading.layout.quarantine)
            check_share(source.path, tally, target, self.reading.settings.build, alone)
            self.ledger.add_rows(malformed(source.digest, tally, self.kind))
