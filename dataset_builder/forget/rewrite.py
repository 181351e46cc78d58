"""Take samples and comments out of the files of a build; untouched files are not opened."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset_builder.forget.scope import Scope, record_stores
from dataset_builder.ledger.reasons import FORGOTTEN
from dataset_builder.ledger.tombstones import Tombstones
from dataset_builder.media.examine import clean_verdicts
from dataset_builder.samples.fields import JSON_FEATURES
from dataset_builder.samples.turns import make_turns
from dataset_builder.schema import LEDGER
from dataset_builder.shards.manifest import ReleaseFile
from dataset_builder.shards.writer import encode_json, state_note, write_metadata
from dataset_builder.work.blob import Blob
from dataset_builder.work.ustar import read_members, write_tar
from dataset_builder.work.whole_files import whole_file, write_bytes

LEDGER_NAME = "forgotten-00000.parquet"


def rewrite_shard(build_dir: Path, path: str, scope: Scope) -> list[ReleaseFile]:
    """Write shard `path` and its metadata again without what `scope` names; both gone if empty."""
    release = build_dir / "release"
    metadata = path.replace("data/", "metadata/", 1).removesuffix(".tar") + ".parquet"
    rows = pq.read_table(release / metadata).to_pylist()
    kept = {row["id"]: without_comments(row, scope) for row in rows if row["id"] not in scope.posts}
    state_note(build_dir / "work" / "shards", path).unlink(missing_ok=True)
    if not kept:
        for name in (path, metadata):
            (release / name).unlink(missing_ok=True)
        return []
    tar = write_tar(_kept_members(release / path, kept), release / path)
    table = write_metadata(list(kept.values()), release / metadata)
    return [ReleaseFile(path, *tar, len(kept)), ReleaseFile(metadata, *table, len(kept))]


def without_comments(row: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """A metadata row without its forgotten comments, its turns made anew."""
    ids = row["comment_ids"] or []
    left = [at for at, comment in enumerate(ids) if comment not in scope.comments]
    if len(left) == len(ids):
        return dict(row)
    found = {
        key: [row[key][at] for at in left] for key in ("comments", "comment_ids", "comment_sha256")
    }
    texts = [comment["text"] for comment in found["comments"] if comment["text"]]
    made = {turn["task"]: turn for turn in make_turns(row["media_type"], [], None, texts)}
    turns = [made.get(t["task"], t) for t in row["turns"] if t["task"] != "comments" or texts]
    return {**row, **found, "turns": turns}


def clean_work(build_dir: Path, scope: Scope) -> None:
    """Remove `scope` from the text tables, packed samples, media stores and annotations."""
    work = build_dir / "work"
    for path in sorted((work / "samples").glob("*.parquet")):
        path.unlink()  # made again by the next build
    for store in record_stores(build_dir):
        for sha256 in scope.media:
            store.remove(sha256)
        clean_verdicts(store.folder / "verdicts", scope.media, scope.names)
    for path in sorted((work / "annotations").glob("*/*.parquet")):
        _filter(path, "sha256", scope.media)
    for folder in (work / "parts", work / "spill", *(work / "logs").glob("*-[0-9a-f]*")):
        shutil.rmtree(folder, ignore_errors=True)  # kept intermediate files and far tasks' plans
    text = work / "text"
    if (text / "authors.parquet").is_file():
        _filter(text / "authors.parquet", "id", scope.posts | scope.comments)
    if (text / "origins.parquet").is_file():
        _filter(text / "origins.parquet", "id", scope.comments)
    _filter(text / "comments.parquet", "id", scope.comments)
    _filter(text / "posts.parquet", "id", scope.posts)
    _rename_groups(text / "posts.parquet", scope.posts)


def hide_in_ledger(build_dir: Path, scope: Scope, tombstones: Tombstones) -> None:
    """Keep the count of every forgotten item and drop its id, wherever the ledger shows it.

    Rows move to a part of their own, since each stage writes its parts anew when it runs again.
    """
    folder = build_dir / "ledger"
    hidden: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.parquet")):
        if path.name != LEDGER_NAME:
            hidden += _hide_rows(path, scope, tombstones)
    add_hidden_rows(folder, hidden)


def hide_file_names(build_dir: Path, tombstones: Tombstones) -> None:
    """Take forgotten ids out of names of input files: the quarantine's, and malformed rows' ids."""
    for path in sorted((build_dir / "quarantine").glob("*.jsonl")):
        text = path.read_text("utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        hidden = [{**line, "file": tombstones.hidden_name(line["file"])} for line in lines]
        if hidden != lines:
            path.unlink()
            named = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in hidden)
            write_bytes(path.with_name(tombstones.hidden_name(path.name)), named.encode())
    for path in sorted((build_dir / "ledger").glob("text-read*.parquet")):
        table = pq.read_table(path)
        bad = pc.equal(table.column("reason"), "malformed").fill_null(False)
        if not pc.any(bad).as_py():
            continue
        at, ids = table.schema.get_field_index("id"), table.column("id").combine_chunks()
        mask = pa.array(bad.to_pylist())
        shown = [_hidden_line(id, tombstones) for id in ids.filter(mask).to_pylist()]
        hidden_ids = pc.replace_with_mask(ids, mask, pa.array(shown, pa.string()))
        with whole_file(path) as file:
            pq.write_table(table.set_column(at, "id", hidden_ids), file)


def _hidden_line(id: str, tombstones: Tombstones) -> str:
    """The ledger's `<file>:<line>` of a malformed line."""
    name, _, line = id.rpartition(":")
    return f"{tombstones.hidden_name(name)}:{line}"


def add_hidden_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Add rows to the ledger's part of forgotten items, each once.

    An item that was read twice has two rows; adding the same rows again adds nothing.
    """
    path = folder / LEDGER_NAME
    old = pq.read_table(path).to_pylist() if path.is_file() else []
    found = {**_numbered(old), **_numbered(rows)}
    if found:
        folder.mkdir(parents=True, exist_ok=True)
        ordered = [found[key] for key in sorted(found)]
        with whole_file(path) as file:
            pq.write_table(pa.Table.from_pylist(ordered, schema=LEDGER), file)


def _numbered(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    """Rows by their item, and which of its rows each is."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = {}
    for row in rows:
        item = (row["kind"], row["id"], row["source"])
        found[*item, seen[item]] = row
        seen[item] += 1
    return found


def hidden_row(row: Mapping[str, Any], tombstones: Tombstones) -> dict[str, Any]:
    """A ledger row of a forgotten item: counted, not named."""
    item = tombstones.hidden_id(row["kind"], row["id"])
    return {**row, "id": item, "kept": False, "reason": FORGOTTEN, "value": None}


def _hide_rows(path: Path, scope: Scope, tombstones: Tombstones) -> list[dict[str, Any]]:
    """Take the rows of forgotten items out of one part, and their ids out of other rows' values."""
    names = {"post": scope.posts, "comment": scope.comments, "media": scope.keys}
    gone = sorted((kind, item) for kind, items in names.items() for item in items)
    words = sorted(scope.posts | scope.comments | scope.media | scope.keys)
    with duckdb.connect() as con:
        con.execute("SET enable_progress_bar=false")
        con.register("gone", pa.table({"k": [g[0] for g in gone], "i": [g[1] for g in gone]}))
        con.register("words", pa.table({"w": pa.array(words, pa.string())}))
        source = f"read_parquet('{str(path).replace(chr(39), chr(39) * 2)}')"
        named = "EXISTS (SELECT 1 FROM gone WHERE k = kind AND i = id)"
        told = "list_has_any(string_split(value, ' '), (SELECT list(w) FROM words))"
        columns = ", ".join(name for name in LEDGER.names if name != "value")
        rows = _table(con, f"SELECT * FROM {source} WHERE {named}").to_pylist()
        told_rows = _table(con, f"SELECT count(*) AS n FROM {source} WHERE {told}")
        if not rows and told_rows["n"][0].as_py() == 0:
            return []
        scrubbed = f"CASE WHEN {told} THEN NULL ELSE value END AS value"
        left = _table(con, f"SELECT {columns}, {scrubbed} FROM {source} WHERE NOT {named}")
    with whole_file(path) as file:
        pq.write_table(left.select(LEDGER.names).cast(LEDGER), file)
    return [hidden_row(row, tombstones) for row in rows]


def _table(con: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    relation = con.sql(query)
    if relation is None:
        raise ValueError(f"no rows can come from {query!r}")
    return relation.to_arrow_table()


def _kept_members(
    path: Path, kept: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Members of the kept samples; a changed json member is written from its row."""
    with path.open("rb") as file:
        members = list(read_members(file))
    for member in members:
        key, _, extension = member.name.partition(".")
        if key not in kept:
            continue
        if extension == "json":
            data = encode_json({name: kept[key][name] for name in JSON_FEATURES})
            yield member.name, len(data), iter([data])
        else:
            blob = Blob(member.size, "", str(path), member.offset)
            yield member.name, member.size, blob.blocks()


def _rename_groups(path: Path, gone: set[str]) -> None:
    """Groups named after a forgotten post take the name of their smallest post left."""
    table = pq.read_table(path)
    groups, ids = table.column("group_key").to_pylist(), table.column("id").to_pylist()
    smallest: dict[str, str] = {}
    for group, post in zip(groups, ids, strict=True):
        if group in gone:
            smallest[group] = min(smallest.get(group, post), post)
    if smallest:
        named = pa.array([smallest.get(group, group) for group in groups], pa.string())
        at = table.schema.get_field_index("group_key")
        with whole_file(path) as file:
            pq.write_table(table.set_column(at, "group_key", named), file, compression="zstd")


def _filter(path: Path, column: str, gone: set[str]) -> None:
    """Remove rows of a Parquet file; the file stays as it is where none is concerned."""
    table = pq.read_table(path)
    mask = pc.is_in(table.column(column), value_set=pa.array(sorted(gone), pa.string()))
    if pc.any(mask).as_py():
        with whole_file(path) as file:
            pq.write_table(table.filter(pc.invert(mask)), file, compression="zstd")
