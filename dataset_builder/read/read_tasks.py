"""Reading: one task per input file, staged rows out, in partitions by hash of the post id.

A task writes a folder and renames it when the file was read to its checked end.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from dataset_builder.ledger.ledger import LedgerWriter
from dataset_builder.ledger.refusal import Refusal
from dataset_builder.read import authors_release, reddit, youtube
from dataset_builder.read.compressed import Budget
from dataset_builder.read.documents import is_release_file, records
from dataset_builder.read.inputs import Source
from dataset_builder.read.ndjson import Tally, tables
from dataset_builder.read.quarantine import check_files, check_share, malformed, set_apart
from dataset_builder.run.task import progress_file
from dataset_builder.schema import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.work.ahead import ahead
from dataset_builder.work.partitions import COUNTS, Chunks, TextBuild, task_folder
from dataset_builder.work.whole_files import whole

POST_NAMES = ", ".join(f'"{name}"' for name in STAGED_POSTS.names)
COMMENT_NAMES = ", ".join(f'"{name}"' for name in STAGED_COMMENTS.names)
CHUNK_ROWS = 100_000
DOCUMENT_ROWS = 20_000  # as Python objects, which take ten times the room
CHUNK_BYTES = 32 << 20


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


def read_submissions(build: TextBuild, task: int, source: Source) -> None:
    """One Reddit submissions file (or the authors' release) to staged posts."""
    if is_release_file(source.path, Budget.of(build.settings)):
        read_documents(build, task, [source])
        return
    ours = reddit.wanted(build.settings, unknown=False)
    posts = reddit.submissions_sql(build.settings, build.key)
    with read_task(build, task, "post") as job:
        for rows in job.chunks(source, reddit.SUBMISSION_FIELDS):
            read = job.refusal.posts(f"SELECT {POST_NAMES} FROM ({posts} WHERE {ours})")
            if job.out.write(read, "posts", "id") < rows:
                job.ledger.add(_other_subreddits("post", "'reddit-' || id", ours))


def read_comments(build: TextBuild, task: int, source: Source) -> None:
    """One Reddit comments file to staged comments, whatever became of their posts."""
    ours = reddit.wanted(build.settings, unknown=True)
    author = reddit.author_hash("author", build.key)
    with read_task(build, task, "comment") as job:
        for rows in job.chunks(source, reddit.comment_fields(build.settings)):
            read = job.refusal.comments(f"{reddit.comment_rows()} WHERE {ours}", author)
            staged = reddit.comments_sql(read, build.settings, build.key)
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


def read_documents(build: TextBuild, task: int, sources: Sequence[Source]) -> None:
    """YouTube records, or the authors' release, to staged posts and comments."""
    with read_task(build, task, "post") as job:
        rows, good, bad = youtube.Rows(), 0, 0
        first: Path | None = None
        for source in sources:
            tally = Tally()
            for record, line in records(source.path, Budget.of(build.settings), tally):
                try:
                    if authors_release.is_release(record):
                        authors_release.parse(record, build.settings, rows)
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
            check_files(first, good, bad, build.layout.quarantine, build.settings.build)
        job.flush(rows)


@contextmanager
def read_task(build: TextBuild, task: int, kind: str) -> Iterator["ReadTask"]:
    """A task to fill; its folder gets its name, and its ledger its rows, at the end alone."""
    name = f"{build.stage}-{task}"
    with (
        whole(task_folder(build.layout, build.stage, task)) as folder,
        closing(build.connection(name)) as con,
    ):
        folder.mkdir()
        job = ReadTask(build, task, kind, folder, con)
        yield job
        job.ledger.close()
        job.refusal.save(folder)
        (folder / COUNTS).write_text(json.dumps(job.items), encoding="utf-8")


class ReadTask:
    """One reading task: its connection, folder, ledger and quarantine."""

    def __init__(
        self, build: TextBuild, task: int, kind: str, folder: Path, con: duckdb.DuckDBPyConnection
    ) -> None:
        self.build, self.kind, self.con = build, kind, con
        self.out = Chunks(con, folder, build.partitions)
        # where anything is refused, comments are read when every post has been
        self.refusal = Refusal(con, build.layout, settled=kind == "comment")
        name = f"text-{build.stage}-{task:05d}"
        self.ledger = LedgerWriter(con, build.layout, name, self.refusal)
        self.items = Counter[str]()
        self.progress = progress_file(build.layout.logs / build.stage, task)

    def chunks(self, source: Source, fields: Sequence[str]) -> Iterator[int]:
        """Register each chunk of the file as `raw`, and say how many rows it has.

        The file's tally is settled at its end.
        """
        tally, budget = Tally(), Budget.of(self.build.settings)
        parts = tables(source.path, fields, "id", budget, tally, self.build.threads)
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
                allowed = getattr(self.refusal, f"{kind}s")
                self.out.write(allowed("SELECT * FROM rows"), f"{kind}s", key)
                self.con.unregister("rows")
                self.items[kind] += len(items)
                items.clear()

    def finish_file(self, source: Source, tally: Tally, alone: bool = True) -> None:
        """Set the file's bad lines apart; raises TooManyBadLines over the allowed share."""
        self.items[self.kind] += len(tally.bad) + tally.rows
        if tally.bad:
            target = set_apart(source.digest, tally, self.build.layout.quarantine)
            check_share(source.path, tally, target, self.build.settings.build, alone)
            self.ledger.add_rows(malformed(source.digest, tally, self.kind))
