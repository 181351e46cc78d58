"""Forgotten things at the text stage: refused as they are read, counted without their names.

Only salted hashes are compared, inside DuckDB. A post that an address or an author gave away is
noted by the hash of its id, so that its comments, read later, are refused with it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa

from dataset_builder.errors import BuildError
from dataset_builder.ledger.addresses import canonical_url
from dataset_builder.ledger.reasons import FORGOTTEN
from dataset_builder.ledger.tombstones import (
    NAME,
    TAIL,
    Tombstones,
    key_fingerprint,
    load_tombstones,
)
from dataset_builder.work.layout import Layout

NOTE = "refused.json"
NATIVE = "substr({id}, strpos({id}, '-') + 1)"


def refuses(layout: Layout) -> bool:
    """True where anything was forgotten in this build."""
    return bool(load_tombstones(layout.root))


class Refusal:
    """The tombstones of a build as tables of one connection; without any it changes nothing."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, layout: Layout, settled: bool = True
    ) -> None:
        """`settled`: every post has been read, so what those tasks noted counts as well."""
        self.con = con
        self.tombstones = load_tombstones(layout.root)
        self.active = bool(self.tombstones)
        if not self.active:
            return
        notes = layout.parts.glob(f"read/?????/{NOTE}") if settled else []
        noted = [hash for note in sorted(notes) for hash in json.loads(note.read_bytes())]
        pairs = [(kind, hash) for kind, found in self.tombstones.entries.items() for hash in found]
        pairs += [("id", hash) for hash in noted]
        rows = {"kind": [pair[0] for pair in pairs], "hash": [pair[1] for pair in pairs]}
        # first, because it ends what the connection was last asked, as `register` does not
        con.execute("CREATE TABLE noted (hash VARCHAR)")
        con.register("tombstone_rows", pa.table(rows))
        con.execute("CREATE TABLE tombstone AS SELECT DISTINCT * FROM tombstone_rows")
        con.unregister("tombstone_rows")

    def posts(self, select: str) -> str:
        """SQL of the staged posts `select` without refused ones; those go to the ledger."""
        if not self.active:
            return select
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE arrived AS {select}")
        self._find_addresses()
        gone = (
            f"{self._in('id', 'id')} OR {self._in('id', 'native_id')} "
            f"OR {self._in('author', 'author_key')} OR id IN (SELECT id FROM address)"
        )
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE gone AS SELECT * FROM arrived WHERE {gone}; "
            "DELETE FROM arrived WHERE id IN (SELECT id FROM gone)"
        )
        digest = self._digest("id", "id")
        self.con.execute(f"INSERT INTO noted SELECT DISTINCT {digest} FROM gone")
        self.con.execute("INSERT INTO tombstone SELECT 'id', hash FROM noted")
        self._count("post", "gone", "source", f"'{FORGOTTEN}'")
        return "SELECT * FROM arrived"

    def comments(self, select: str, author: str = "author_key") -> str:
        """The same for staged comments; `author` is SQL of the keyed hash of a row's author."""
        if not self.active:
            return select
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE said AS {select}")
        native = NATIVE.format(id="post_id")
        address = (
            f"CASE WHEN post_id LIKE 'reddit-%' THEN 'reddit.com/comments/' "
            f"ELSE 'youtube.com/watch?v=' END || {native}"
        )
        lost = f"{self._in('id', 'post_id')} OR {self._in('id', native)} OR " + self._in(
            "url", address
        )
        own = f"{self._in('id', 'id')} OR {self._in('author', author)}"
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE lost AS SELECT post_id FROM "
            f"(SELECT DISTINCT post_id FROM said) WHERE {lost}"
        )
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE unsaid AS SELECT *, CASE "
            f"WHEN post_id IN (SELECT post_id FROM lost) THEN 'post_dropped:{FORGOTTEN}' "
            f"WHEN {own} THEN '{FORGOTTEN}' END AS refused FROM said"
        )
        self._count("comment", "unsaid", "split_part(post_id, '-', 1)", "refused")
        return "SELECT * EXCLUDE (refused) FROM unsaid WHERE refused IS NULL"

    def hidden(self, table: str) -> str:
        """SQL of the ledger rows in `table` in which no forgotten id is named."""
        if not self.active:
            return table
        names = f"{self._in('id', 'id')} OR (kind = 'post' AND {self._in('id', _native())})"
        hashes = "(SELECT list(hash) FROM tombstone WHERE kind = 'id')"
        words = self._digest("id", "w")
        told = (
            f"list_has_any(list_transform(string_split(value, ' '), lambda w: {words}), {hashes})"
        )
        return (
            f"(SELECT * EXCLUDE (named, told) REPLACE ("
            f"CASE WHEN named THEN {self._hidden_id()} ELSE id END AS id, "
            f"CASE WHEN named THEN '{FORGOTTEN}' ELSE reason END AS reason, "
            "CASE WHEN named OR told THEN NULL ELSE value END AS value) "
            f"FROM (SELECT *, {names} AS named, coalesce({told}, false) AS told FROM {table}))"
        )

    def save(self, folder: Path) -> None:
        """Leave the hashes of refused posts for the tasks that read comments."""
        if self.active:
            hashes = [row[0] for row in self.con.execute("SELECT hash FROM noted").fetchall()]
            (folder / NOTE).write_text(json.dumps(sorted(hashes)), encoding="utf-8")

    def _find_addresses(self) -> None:
        """Table `address`: ids of arrived posts whose URL or permalink is refused."""
        found: list[str] = []
        if self.tombstones.entries["url"]:
            rows = self.con.execute("SELECT id, url, permalink FROM arrived").fetchall()
            for id, *urls in rows:
                if any(self.tombstones.refuses("url", canonical_url(url)) for url in urls):
                    found.append(id)
        self.con.register("found", pa.table({"id": pa.array(found, pa.string())}))
        self.con.execute("CREATE OR REPLACE TEMP TABLE address AS SELECT * FROM found")
        self.con.unregister("found")

    def _count(self, kind: str, table: str, source: str, reason: str) -> None:
        """Ledger rows of refused items: counted, not named."""
        media = "media_type" if kind == "post" else "NULL"
        self.con.execute(
            f"INSERT INTO ledger BY NAME SELECT 'read' AS stage, '{kind}' AS kind, "
            f"{self._hidden_id(kind)} AS id, {source} AS source, {media} AS media_type, "
            f"false AS kept, {reason} AS reason, NULL AS value FROM {table} "
            f"WHERE {reason} IS NOT NULL"
        )

    def _digest(self, kind: str, value: str) -> str:
        """SQL: what `Tombstones.digest` gives for an SQL value."""
        return f"sha256('{self.tombstones.salt}{kind}:' || {value})"

    def _in(self, kind: str, value: str) -> str:
        if kind != "id" and not self.tombstones.entries[kind]:
            return "false"
        known = f"(SELECT hash FROM tombstone WHERE kind = '{kind}')"
        return f"coalesce({self._digest(kind, value)} IN {known}, false)"

    def _hidden_id(self, kind: str | None = None) -> str:
        """SQL: `Tombstones.hidden_id` of column id; without `kind` that of the row."""
        named = f"'{kind}:'" if kind else "kind || ':'"
        return f"'forgotten-' || left(sha256('{self.tombstones.salt}' || {named} || id), {TAIL})"


def _native() -> str:
    return NATIVE.format(id="id")


def adopt_tombstones(layout: Layout, given: str | None) -> None:
    """Take over the tombstones of another build, with the key its author hashes need.

    `given` is that build's folder or its tombstones.jsonl. Raises BuildError where that cannot be
    done whole: a refusal that silently does nothing would bring back what was forgotten.
    """
    if given is not None:
        source = Path(given)
        source = source / NAME if source.is_dir() else source
        if not source.is_file():
            raise BuildError(f"build.tombstones={given}: no such file; give a build's {NAME}")
        theirs, target = load_tombstones(source.parent, source.name), layout.root / NAME
        ours = load_tombstones(layout.root) if target.is_file() else theirs
        if ours.salt != theirs.salt:
            raise BuildError(
                f"{target} has another salt than {source}, so the two cannot be joined; "
                "use a new --out"
            )
        for kind, hashes in theirs.entries.items():
            ours.entries[kind] |= hashes
        ours.key = ours.key or theirs.key
        layout.root.mkdir(parents=True, exist_ok=True)
        key = Layout(source.parent).key_file
        if key.is_file() and not layout.key_file.exists():
            layout.key_file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(key, layout.key_file)
        ours.save(layout.root)
    _check_key(layout, load_tombstones(layout.root))


def _check_key(layout: Layout, tombstones: Tombstones) -> None:
    """Author hashes of another key match nobody."""
    if tombstones.entries["author"] and tombstones.key not in (None, key_fingerprint(layout.root)):
        raise BuildError(
            f"{layout.root / NAME} refuses authors by a keyed hash, and {layout.key_file} is not "
            "the key it was made with; copy work/author.key of that build there first"
        )
