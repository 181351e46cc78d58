"""Comments of one partition through rules and de-duplication, then the posts' last rules.

Leaves `selected/posts-K.parquet` and `selected/comments-K.parquet`, personal data replaced, and
ledger rows for everything dropped. What is kept gets its row from the media stage.
"""

import json
from collections import Counter

import duckdb
import pyarrow as pa

from dataset_builder.ledger.ledger import LedgerWriter
from dataset_builder.ledger.reasons import EQUAL
from dataset_builder.ledger.refusal import Refusal
from dataset_builder.read.reddit import body_marks
from dataset_builder.rules import order
from dataset_builder.rules.rule import CommentRule, early
from dataset_builder.schema import SOURCES, STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.text.clean import clean, scrub_column, scrub_urls
from dataset_builder.text.idf import corpus_idf, count_tokens
from dataset_builder.text.near_duplicates import near_duplicates
from dataset_builder.text.reposts import ORIGINS, final_verdicts
from dataset_builder.work.partitions import MOVED, READ, TextBuild, staged_files
from dataset_builder.work.sql import parquet, sql_list
from dataset_builder.work.whole_files import copy, write_text

# the platform's like counts first; ties by its own order, then age, then id
LIKED = "likes DESC NULLS LAST"
TIES = "position NULLS LAST, created NULLS LAST, id"


def select_comments(build: TextBuild, part: int) -> None:
    """Apply the comment rules and the late post rules to one partition."""
    layout, found = build.layout, Counter[str]()
    con = build.connection(f"comments-{part}")
    ledger = LedgerWriter(con, layout, f"text-comments-{part:05d}", Refusal(con, layout))
    candidates(con, build, part, ledger)
    if build.settings.privacy.placeholders:
        scrub_column(con, "candidate", "n", "text", found)
    drop_equal(con, build, ledger)
    _near(con, build, ledger)
    _late(con, build, ledger)
    _top(con, build, ledger)
    if build.settings.privacy.placeholders:
        for column in ("title", "description", "asr", "channel", "brand"):
            scrub_column(con, "post", "id", column, found)
        scrub_urls(con, found)
    folder = layout.parts / "selected"
    names = ", ".join(f'"{name}"' for name in STAGED_POSTS.names)
    copy(con, f"SELECT {names} FROM post ORDER BY id", folder / f"posts-{part:05d}.parquet")
    copy(
        con,
        "SELECT * FROM top ORDER BY post_id, rank",
        folder / f"comments-{part:05d}.parquet",
    )
    origins = parquet(staged_files(layout, MOVED, "origins", part), ORIGINS)
    copy(
        con,
        f"SELECT id, origin, origin_author FROM top JOIN {origins} USING (post_id, id) ORDER BY id",
        folder / f"origins-{part:05d}.parquet",
    )
    write_text(folder / f"pii-{part:05d}.json", json.dumps(dict(sorted(found.items()))))
    ledger.close()
    con.close()


def count_candidates(build: TextBuild, part: int) -> None:
    """For the corpus' idf table: document frequencies of one partition's candidates."""
    con = build.connection(f"idf-{part}")
    ledger = LedgerWriter(con, build.layout, "unused", Refusal(con, build.layout))
    candidates(con, build, part, ledger)
    if build.settings.privacy.placeholders:
        scrub_column(con, "candidate", "n", "text", Counter())
    drop_equal(con, build, ledger)
    texts = {
        source: con.sql(f"SELECT text FROM candidate WHERE source = '{source}'")
        .to_arrow_table()["text"]
        .to_pylist()
        for source in SOURCES
    }
    count_tokens(build, part, texts)
    con.close()


def candidates(
    con: duckdb.DuckDBPyConnection, build: TextBuild, part: int, ledger: LedgerWriter
) -> None:
    """Table `candidate`: n, number (of the post), source, media_type, id, text, likes, place."""
    _join(con, build, part, ledger)
    _judge(con, build, ledger)
    most = build.settings.comments.candidates
    # sorted without their texts
    con.execute(
        "CREATE TABLE placed AS SELECT n, row_number() OVER "
        f"(PARTITION BY number ORDER BY {_rank(build)}) AS place FROM every WHERE verdict IS NULL"
    )
    ranked = "every JOIN placed USING (n)"
    limit = f"place > {most:d}" if most else "false"
    ledger.add(_drop("'rank'", "'beyond_candidates'", "place::VARCHAR", f"{ranked} WHERE {limit}"))
    con.execute(
        "CREATE TABLE candidate AS SELECT n, number, source, media_type, id, text, likes, "
        f"author_key, place, {_early(build)} AS early FROM {ranked} WHERE NOT ({limit}); "
        "DROP TABLE placed; DROP TABLE every"
    )


def _early(build: TextBuild) -> str:
    """SQL: a comment's likes were read too soon; null where nobody knows when."""
    cases = (f"WHEN '{name}' THEN {early(build.settings.source(name))}" for name in SOURCES)
    return f"CASE source {' '.join(cases)} END"


def _rank(build: TextBuild) -> str:
    """SQL: the order of a post's comments; likes that say nothing rank none, where it is set so."""
    last = [name for name in SOURCES if build.settings.source(name).early_comments == "last"]
    if not last:
        return f"{LIKED}, {TIES}"
    mute = f"coalesce(source IN {sql_list(last)} AND {_early(build)}, false)"
    return f"{mute}, CASE WHEN NOT {mute} THEN likes END DESC NULLS LAST, {TIES}"


def _drop(stage: str, reason: str, value: str, rows: str) -> str:
    """SQL: ledger rows of dropped comments."""
    return (
        f"SELECT {stage} AS stage, 'comment' AS kind, id, source, media_type, false AS kept, "
        f"{reason} AS reason, {value} AS value FROM {rows}"
    )


def _join(
    con: duckdb.DuckDBPyConnection, build: TextBuild, part: int, ledger: LedgerWriter
) -> None:
    """Tables `known` (posts, numbered), `post` (those still in) and `every` (comments, each once).

    `every` holds the verdict on a comment's post and marks; only where there is none, its text.
    """
    layout = build.layout
    con.execute(
        "CREATE TABLE known AS SELECT row_number() OVER () AS number, * "
        f"FROM {final_verdicts(build, part)}"
    )
    posts = parquet([layout.parts / "posts" / f"{part:05d}.parquet"], STAGED_POSTS)
    con.execute(
        f"CREATE TABLE post AS SELECT p.*, k.number FROM {posts} p "
        "JOIN known k ON p.id = k.post_id WHERE k.reason IS NULL AND k.target = p.id"
    )
    files = [*(f for stage in (READ, MOVED) for f in staged_files(layout, stage, "comments", part))]
    rows = (
        "SELECT *, CASE WHEN starts_with(post_id, 'youtube-') THEN 'youtube' ELSE 'reddit' END "
        "AS source "
        f"FROM {parquet(files, STAGED_COMMENTS)} LEFT JOIN known USING (post_id) "
        "WHERE target IS NULL OR target = post_id"  # else it was moved
    )
    marked = body_marks(rows, "source = 'reddit' AND target IS NOT NULL AND reason IS NULL")
    marks = _per_source(order.COMMENT_MARKS, build)
    verdict = (
        "CASE WHEN number IS NULL "
        "THEN {'stage': 'read', 'reason': 'no_post', 'value': post_id} WHEN reason IS NOT NULL "
        "THEN {'stage': 'posts', 'reason': 'post_dropped:' || reason, 'value': post_id} "
        f"ELSE {marks} END"
    )
    con.execute(
        "CREATE TABLE every AS SELECT * EXCLUDE (body), CASE WHEN verdict IS NULL THEN "
        "coalesce(body, '') END AS text FROM (SELECT row_number() OVER () AS n, number, source, "
        "media_type, id, likes, position, created, retrieved, author_key, body, "
        f"{verdict} AS verdict FROM ({marked}))"
    )
    _drop_repeated(con, ledger)


def _drop_repeated(con: duckdb.DuckDBPyConnection, ledger: LedgerWriter) -> None:
    """Of several records of one comment the newest stays in `every`."""
    newest = (
        "retrieved DESC NULLS LAST, likes DESC NULLS LAST, created, text NULLS LAST, "
        "verdict.reason, verdict.value, author_key"
    )
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


def _judge(con: duckdb.DuckDBPyConnection, build: TextBuild, ledger: LedgerWriter) -> None:
    """Texts in `every` normalised, with the verdict of the rules that read them."""
    clean(con, "every", "n", "text", "source = 'reddit'", "verdict IS NULL")
    con.execute(
        f"CREATE TABLE judged AS SELECT n, {_per_source(order.COMMENT_TEXT, build)} AS found "
        "FROM (SELECT n, source, text FROM every WHERE verdict IS NULL) "
        "WHERE found IS NOT NULL"
    )
    con.execute(
        "UPDATE every SET verdict = found FROM judged WHERE every.n = judged.n; DROP TABLE judged"
    )
    rows = "every WHERE verdict IS NOT NULL"
    ledger.add(_drop("verdict.stage", "verdict.reason", "verdict.value", rows))


def _per_source(functions: tuple[CommentRule, ...], build: TextBuild) -> str:
    """SQL: the verdict of each source's own rules."""
    cases = " ".join(
        f"WHEN '{source}' THEN "
        + order.verdict(order.comment_rules(functions, build.settings, source))
        for source in SOURCES
    )
    return f"CASE source {cases} END"


def drop_equal(con: duckdb.DuckDBPyConnection, build: TextBuild, ledger: LedgerWriter) -> None:
    """Comments equal to a better ranked one leave `candidate`: TF-IDF sees no words in some."""
    judged = [s for s in SOURCES if build.settings.source(s).tfidf_threshold is not None]
    con.execute(
        # by hash first: texts are compared only where two may be equal
        "CREATE TABLE alike AS SELECT number, hash(text) AS h FROM candidate "
        f"WHERE source IN {sql_list(judged)} GROUP BY ALL HAVING count(*) > 1"
    )
    con.execute(
        "CREATE TABLE equal AS SELECT n, first FROM (SELECT n, first_value(id) OVER same AS first, "
        "row_number() OVER same AS copy FROM candidate c JOIN alike a "
        "ON c.number = a.number AND hash(c.text) = a.h "
        "WINDOW same AS (PARTITION BY c.number, text ORDER BY place)) WHERE copy > 1"
    )
    ledger.add(_drop("'dedup'", f"'{EQUAL}'", "equal.first", "candidate JOIN equal USING (n)"))
    con.execute("DELETE FROM candidate WHERE n IN (SELECT n FROM equal); DROP TABLE alike")


def _near(con: duckdb.DuckDBPyConnection, build: TextBuild, ledger: LedgerWriter) -> None:
    """Near-duplicates of better ranked comments leave `candidate`."""
    for source in SOURCES:
        threshold = build.settings.source(source).tfidf_threshold
        if threshold is None:
            continue
        rows = con.sql(
            "SELECT n, number, id, text FROM candidate "
            f"WHERE source = '{source}' ORDER BY number, place"
        ).to_arrow_table()
        idf = corpus_idf(build, source)
        pairs = list(
            near_duplicates(rows["number"].to_numpy(), rows["text"], float(threshold), idf)
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


def _late(con: duckdb.DuckDBPyConnection, build: TextBuild, ledger: LedgerWriter) -> None:
    """The rules of posts that come after their comments; their comments go with them."""
    cases = " ".join(
        f"WHEN '{source}' THEN " + order.verdict(order.staged(source, True, build.settings))
        for source in SOURCES
    )
    con.execute(
        f"CREATE TABLE late AS SELECT *, CASE source {cases} END AS verdict FROM ("
        "SELECT post.*, coalesce(kept, 0) AS kept_comments FROM post LEFT JOIN "
        "(SELECT number, count(*) AS kept FROM candidate GROUP BY number) USING (number))"
    )
    ledger.add(
        "SELECT verdict.stage AS stage, 'post' AS kind, id, source, media_type, false AS kept, "
        "verdict.reason AS reason, verdict.value AS value FROM late WHERE verdict IS NOT NULL"
    )
    ledger.add(
        "SELECT late.verdict.stage AS stage, 'comment' AS kind, c.id, c.source, c.media_type, "
        "false AS kept, 'post_dropped:' || late.verdict.reason AS reason, late.id AS value "
        "FROM candidate c JOIN late USING (number) WHERE late.verdict IS NOT NULL"
    )
    gone = "(SELECT number FROM late WHERE verdict IS NOT NULL)"
    con.execute(
        f"DELETE FROM post WHERE number IN {gone}; DELETE FROM candidate WHERE number IN {gone}"
    )


def _top(con: duckdb.DuckDBPyConnection, build: TextBuild, ledger: LedgerWriter) -> None:
    """Table `top`: the best comments of each post, `rank` counted anew."""
    keep = build.settings.comments.keep
    limit = f"rank > {keep:d}" if keep else "false"
    con.execute(
        "CREATE TABLE best AS SELECT n, row_number() OVER (PARTITION BY number ORDER BY place) "
        "AS rank FROM candidate"
    )
    ranked = "candidate JOIN best USING (n)"
    ledger.add(_drop("'top'", "'beyond_top'", "rank::VARCHAR", f"{ranked} WHERE {limit}"))
    con.execute(
        "CREATE TABLE top AS SELECT post.id AS post_id, c.id, text, c.likes, "
        "rank::INTEGER AS rank, c.early, c.author_key "
        f"FROM (SELECT * FROM {ranked} WHERE NOT ({limit})) c JOIN post USING (number)"
    )
