"""Comments of one partition through rules and de-duplication, then the posts' last rules.

Leaves `selected/posts-K.parquet` and `selected/comments-K.parquet`, personal data replaced, and
ledger rows for everything dropped. What is kept gets its row from the media stage.
"""

import json
from collections import Counter
from collections.abc import Callable

import duckdb
import pyarrow as pa

from dataset_builder import rulebook
from dataset_builder.dedup import near_duplicates
from dataset_builder.idf import corpus_idf, count_tokens
from dataset_builder.ingest import MOVED, Reading, staged_files
from dataset_builder.ledger import LedgerWriter
from dataset_builder.pii import PII_GATE, scrub, scrub_url
from dataset_builder.reddit import quote
from dataset_builder.select_posts import clean, final_verdicts
from dataset_builder.staging import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.workdir import copy, literal, parquet, write_text

SOURCES = ("reddit", "youtube")
# the platform's like counts first; ties by its own order, then age, then id
RANK = "likes DESC NULLS LAST, position NULLS LAST, created NULLS LAST, id"


def select_comments(reading: Reading, part: int) -> None:
    """Apply the comment rules and the late post rules to one partition."""
    layout, found = reading.layout, Counter[str]()
    con = reading.connection(f"comments-{part}")
    ledger = LedgerWriter(con, layout, f"text-comments-{part:05d}")
    candidates(con, reading, part, ledger)
    if reading.settings.privacy.placeholders:
        scrub_column(con, "candidate", "n", "text", found)
    _near(con, reading, ledger)
    _late(con, reading, ledger)
    _top(con, reading, ledger)
    if reading.settings.privacy.placeholders:
        for column in ("title", "description", "asr", "channel", "brand"):
            scrub_column(con, "post", "id", column, found)
        scrub_column(con, "post", "id", "url", found, scrub_url)
    folder = layout.parts / "selected"
    names = ", ".join(f'"{name}"' for name in STAGED_POSTS.names)
    copy(con, f"SELECT {names} FROM post ORDER BY id", folder / f"posts-{part:05d}.parquet")
    copy(
        con,
        "SELECT post_id, id, text, likes, place::INTEGER AS rank, author_key FROM top "
        "ORDER BY post_id, rank",
        folder / f"comments-{part:05d}.parquet",
    )
    write_text(folder / f"pii-{part:05d}.json", json.dumps(dict(sorted(found.items()))))
    ledger.close()
    con.close()


def count_candidates(reading: Reading, part: int) -> None:
    """For the corpus' idf table: document frequencies of one partition's candidates."""
    con = reading.connection(f"idf-{part}")
    candidates(con, reading, part, LedgerWriter(con, reading.layout, "unused"))
    if reading.settings.privacy.placeholders:
        scrub_column(con, "candidate", "n", "text", Counter())
    texts = {
        source: con.sql(f"SELECT text FROM candidate WHERE source = '{source}'")
        .to_arrow_table()["text"]
        .to_pylist()
        for source in SOURCES
    }
    count_tokens(reading, part, texts)
    con.close()


def candidates(
    con: duckdb.DuckDBPyConnection, reading: Reading, part: int, ledger: LedgerWriter
) -> None:
    """Table `candidate`: n, post_id, source, media_type, id, text, likes, place (1 = best)."""
    _join(con, reading, part, ledger)
    _judge(con, reading, ledger)
    most = reading.settings.comments.candidates
    # sorted without their texts
    con.execute(
        "CREATE TABLE placed AS SELECT n, row_number() OVER "
        f"(PARTITION BY post_id ORDER BY {RANK}) AS place FROM judged WHERE verdict IS NULL"
    )
    ranked = "judged JOIN placed USING (n)"
    limit = f"place > {most:d}" if most else "false"
    ledger.add(_drop("'rank'", "'beyond_candidates'", "place::VARCHAR", f"{ranked} WHERE {limit}"))
    con.execute(
        "CREATE TABLE candidate AS SELECT n, post_id, source, media_type, id, text, likes, "
        f"author_key, place FROM {ranked} WHERE NOT ({limit}) ORDER BY source, post_id, place; "
        "DROP TABLE placed; DROP TABLE judged"
    )


def _drop(stage: str, reason: str, value: str, rows: str) -> str:
    """SQL: ledger rows of dropped comments."""
    return (
        f"SELECT {stage} AS stage, 'comment' AS kind, id, source, media_type, false AS kept, "
        f"{reason} AS reason, {value} AS value FROM {rows}"
    )


def _join(
    con: duckdb.DuckDBPyConnection, reading: Reading, part: int, ledger: LedgerWriter
) -> None:
    """Tables `post` (posts still in) and `every` (comments, each once, beside their post)."""
    layout = reading.layout
    posts = parquet([layout.parts / "posts" / f"{part:05d}.parquet"], STAGED_POSTS)
    verdicts = f"read_parquet({literal(final_verdicts(layout))})"
    con.execute(
        f"CREATE TABLE verdict AS SELECT * FROM {verdicts} "
        f"WHERE hash(id) % {reading.partitions} = {part}"
    )
    con.execute(
        f"CREATE TABLE post AS SELECT p.* FROM {posts} p JOIN verdict v USING (id) "
        "WHERE v.reason IS NULL AND v.target = p.id"
    )
    files = [
        *staged_files(layout, "read_posts", "comments", part),
        *staged_files(layout, "read_comments", "comments", part),
        *staged_files(layout, MOVED, "comments", part),
    ]
    con.execute(
        "CREATE TABLE every AS SELECT row_number() OVER () AS n, c.*, v.media_type, v.reason, "
        "v.target, split_part(c.post_id, '-', 1) AS source "
        f"FROM {parquet(files, STAGED_COMMENTS)} c LEFT JOIN verdict v ON c.post_id = v.id "
        "WHERE v.target IS NULL OR v.target = c.post_id"  # else it was moved
    )
    _drop_repeated(con, ledger)
    gone = "every WHERE target IS NULL OR reason IS NOT NULL"
    why = "CASE WHEN reason IS NULL THEN 'no_post' ELSE 'post_dropped:' || reason END"
    ledger.add(_drop("'posts'", why, "post_id", gone))


def _drop_repeated(con: duckdb.DuckDBPyConnection, ledger: LedgerWriter) -> None:
    """Of several records of one comment the newest stays in `every`."""
    newest = "retrieved DESC NULLS LAST, likes DESC NULLS LAST, created, body"
    con.execute(
        "CREATE TABLE twice AS SELECT id, source FROM every GROUP BY ALL HAVING count(*) > 1"
    )
    con.execute(
        "CREATE TABLE repeated AS SELECT n, row_number() OVER (PARTITION BY id, source "
        f"ORDER BY {newest}) AS copy FROM every SEMI JOIN twice USING (id, source)"
    )
    rows = "every JOIN repeated USING (n) WHERE copy > 1"
    ledger.add(_drop("'read'", "'repeated'", "'record ' || copy", rows))
    con.execute("DELETE FROM every WHERE n IN (SELECT n FROM repeated WHERE copy > 1)")


def _judge(con: duckdb.DuckDBPyConnection, reading: Reading, ledger: LedgerWriter) -> None:
    """Table `judged`: comments of posts still in, text normalised, with the rules' verdict."""
    marks = _per_source(rulebook.COMMENT_MARKS, reading)
    con.execute(
        "CREATE TABLE said AS SELECT * EXCLUDE (reason, target, body), coalesce(body, '') AS text, "
        f"{marks} AS verdict FROM every WHERE reason IS NULL AND target = post_id; "
        "DROP TABLE every"
    )
    clean(con, "said", "n", "text", "source = 'reddit'", "verdict IS NULL")
    words = "CASE WHEN text = '' THEN 0 ELSE strlen(text) - strlen(replace(text, ' ', '')) + 1 END"
    texts = _per_source(rulebook.COMMENT_TEXT, reading)
    con.execute(
        "CREATE TABLE judged AS SELECT * REPLACE ("
        f"CASE WHEN verdict IS NULL THEN {texts} ELSE verdict END AS verdict) "
        f"FROM (SELECT *, {words} AS words FROM said); DROP TABLE said"
    )
    rows = "judged WHERE verdict IS NOT NULL"
    ledger.add(_drop("verdict.stage", "verdict.reason", "verdict.value", rows))


def _per_source(functions: tuple[rulebook.rules.CommentRule, ...], reading: Reading) -> str:
    """SQL: the verdict of each source's own rules."""
    cases = " ".join(
        f"WHEN '{source}' THEN "
        + rulebook.verdict(rulebook.comment_rules(functions, reading.settings, source))
        for source in SOURCES
    )
    return f"CASE source {cases} END"


def scrub_column(
    con: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    column: str,
    found: Counter[str],
    clean: Callable[[str, Counter[str]], str] = scrub,
) -> None:
    """Replace personal data in a text column in place; `found` counts it per class."""
    gate = f"regexp_matches({column}, {quote(PII_GATE)})"
    rows = con.sql(f"SELECT {key} AS k, {column} AS t FROM {table} WHERE {gate}").to_arrow_table()
    before = rows["t"].to_pylist()
    after = [clean(text, found) for text in before]
    changed = [index for index, text in enumerate(before) if text != after[index]]
    if not changed:
        return
    keys, texts = rows["k"].take(changed), [after[index] for index in changed]
    con.register("scrubbed", pa.table({"k": keys, "t": pa.array(texts, pa.string())}))
    con.execute(f"UPDATE {table} SET {column} = scrubbed.t FROM scrubbed WHERE {key} = scrubbed.k")
    con.unregister("scrubbed")


def _near(con: duckdb.DuckDBPyConnection, reading: Reading, ledger: LedgerWriter) -> None:
    """Near-duplicates of better ranked comments leave `candidate`."""
    for source in SOURCES:
        threshold = getattr(reading.settings, source).tfidf_threshold
        if threshold is None:
            continue
        rows = con.sql(
            "SELECT n, dense_rank() OVER (ORDER BY post_id) AS post, id, text FROM candidate "
            f"WHERE source = '{source}' ORDER BY post, place"
        ).to_arrow_table()
        idf = corpus_idf(reading, source)
        pairs = list(
            near_duplicates(
                rows["post"].to_numpy(), rows["text"].to_pylist(), float(threshold), idf
            )
        )
        if not pairs:
            continue
        kept_ids = rows["id"].take([pair.of for pair in pairs]).to_pylist()
        values = [f"{p.cosine:.4f} to {of}" for p, of in zip(pairs, kept_ids, strict=True)]
        dropped = rows["n"].take([pair.index for pair in pairs])
        near = pa.table({"n": dropped, "value": pa.array(values, pa.string())})
        con.register("near", near)
        source_rows = "candidate JOIN near USING (n)"
        ledger.add(_drop("'dedup'", "'near_duplicate'", "near.value", source_rows))
        con.execute("DELETE FROM candidate WHERE n IN (SELECT n FROM near)")
        con.unregister("near")


def _late(con: duckdb.DuckDBPyConnection, reading: Reading, ledger: LedgerWriter) -> None:
    """The rules of posts that come after their comments; their comments go with them."""
    cases = " ".join(
        f"WHEN '{source}' THEN "
        + rulebook.verdict(rulebook.staged(rulebook.LATE[source], reading.settings))
        for source in SOURCES
    )
    con.execute(
        f"CREATE TABLE late AS SELECT *, CASE source {cases} END AS verdict FROM ("
        "SELECT post.*, coalesce(kept, 0) AS kept_comments FROM post LEFT JOIN "
        "(SELECT post_id, count(*) AS kept FROM candidate GROUP BY post_id) c "
        "ON post.id = c.post_id)"
    )
    ledger.add(
        "SELECT verdict.stage AS stage, 'post' AS kind, id, source, media_type, false AS kept, "
        "verdict.reason AS reason, verdict.value AS value FROM late WHERE verdict IS NOT NULL"
    )
    ledger.add(
        "SELECT late.verdict.stage AS stage, 'comment' AS kind, c.id, c.source, c.media_type, "
        "false AS kept, 'post_dropped:' || late.verdict.reason AS reason, c.post_id AS value "
        "FROM candidate c JOIN late ON c.post_id = late.id WHERE late.verdict IS NOT NULL"
    )
    gone = "(SELECT id FROM late WHERE verdict IS NOT NULL)"
    con.execute(
        f"DELETE FROM post WHERE id IN {gone}; DELETE FROM candidate WHERE post_id IN {gone}"
    )


def _top(con: duckdb.DuckDBPyConnection, reading: Reading, ledger: LedgerWriter) -> None:
    """Table `top`: the best comments of each post, `place` counted anew."""
    keep = reading.settings.comments.keep
    con.execute(
        "CREATE TABLE top AS SELECT * REPLACE (row_number() OVER (PARTITION BY post_id "
        "ORDER BY place) AS place) FROM candidate"
    )
    limit = f"place > {keep:d}" if keep else "false"
    ledger.add(_drop("'top'", "'beyond_top'", "place::VARCHAR", f"top WHERE {limit}"))
    con.execute(f"DELETE FROM top WHERE {limit}")
