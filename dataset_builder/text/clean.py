"""Python functions applied to a DuckDB column in place: titles, personal data, languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import duckdb
import pyarrow as pa

from dataset_builder.settings import Settings
from dataset_builder.text.language import foreign
from dataset_builder.text.normalise import PLAIN_GATE, normalise
from dataset_builder.text.pii import PII_GATE, URL_GATES, scrub, scrub_url
from dataset_builder.work.sql import quote


def add_detected(con: duckdb.DuckDBPyConnection, table: str, settings: Settings) -> None:
    """Column `detected`: "fr 0.97" for YouTube titles that are surely in another language."""
    con.execute(f"ALTER TABLE {table} ADD COLUMN detected VARCHAR")
    youtube = settings.youtube
    if youtube.language_detect == "off" or not youtube.languages:
        return
    untagged = "" if youtube.language_detect == "all" else "AND language IS NULL"
    query = f"SELECT id, title FROM {table} WHERE source = 'youtube' AND title <> '' {untagged}"
    ids: list[str] = []
    values: list[str] = []
    for id, title in con.execute(query).fetchall():
        guess = foreign(title, youtube.languages, youtube.language_confidence)
        if guess:
            ids.append(id)
            values.append(f"{guess[0]} {guess[1]:.2f}")
    if ids:
        con.register("guessed", pa.table({"id": ids, "value": values}))
        con.execute(
            f"UPDATE {table} SET detected = guessed.value FROM guessed "
            f"WHERE {table}.id = guessed.id AND source = 'youtube'"
        )
        con.unregister("guessed")


def normalise_titles(con: duckdb.DuckDBPyConnection) -> None:
    for column in ("title", "description"):
        clean(con, "every", "id", column, "false")


def clean(
    con: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    column: str,
    markdown: str,
    where: str = "true",
) -> None:
    """Normalise a text column in place; only texts the gate lets through leave DuckDB.

    `markdown` is SQL that is true where the text is Reddit markup; other rows than those of
    `where` stay as they are.
    """
    gate = f"regexp_matches({column}, {quote(PLAIN_GATE)})"
    found = con.sql(
        f"SELECT {key} AS k, {column} AS t, {markdown} AS m FROM {table} WHERE {where} AND {gate}"
    ).to_arrow_table()
    if not found.num_rows:
        return
    rows = zip(found["t"].to_pylist(), found["m"].to_pylist(), strict=True)
    texts = pa.array([normalise(text, mark) for text, mark in rows], pa.string())
    con.register("cleaned", pa.table({"k": found["k"], "t": texts}))
    con.execute(f"UPDATE {table} SET {column} = cleaned.t FROM cleaned WHERE {key} = cleaned.k")
    con.unregister("cleaned")


def scrub_column(
    con: duckdb.DuckDBPyConnection, table: str, key: str, column: str, found: Counter[str]
) -> None:
    """Replace personal data in a text column in place; `found` counts it per class."""
    gate = f"regexp_matches({column}, {quote(PII_GATE)})"
    _scrub(con, table, key, column, gate, partial(scrub, found=found))


def scrub_urls(con: duckdb.DuckDBPyConnection, found: Counter[str]) -> None:
    """Take what names a person or opens an account out of the posts' addresses."""
    plain, named = (f"regexp_matches(url, {quote(gate)})" for gate in URL_GATES)
    _scrub(con, "post", "id", "url", f"NOT {plain} OR {named}", partial(scrub_url, found=found))


def _scrub(
    con: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    column: str,
    gate: str,
    clean: Callable[[str], str],
) -> None:
    rows = con.sql(f"SELECT {key} AS k, {column} AS t FROM {table} WHERE {gate}").to_arrow_table()
    before = rows["t"].to_pylist()
    after = [clean(text) for text in before]
    changed = [index for index, text in enumerate(before) if text != after[index]]
    if not changed:
        return
    keys, texts = rows["k"].take(changed), [after[index] for index in changed]
    con.register("scrubbed", pa.table({"k": keys, "t": pa.array(texts, pa.string())}))
    con.execute(f"UPDATE {table} SET {column} = scrubbed.t FROM scrubbed WHERE {key} = scrubbed.k")
    con.unregister("scrubbed")
