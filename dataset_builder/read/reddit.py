"""Reddit dumps (Pushshift and Arctic Shift RS/RC, any year) to staged posts and comments.

The dumps' fields changed type over the years (`created_utc` int, text or float; `edited` bool or
time; `author` null), so everything arrives as text and is cast here, in SQL over a table `raw`.
Author names end here: posts keep a keyed hash for grouping, comments keep nothing.
"""

import hmac
from hashlib import sha256

from dataset_builder.ledger.addresses import NO_VIDEOS, YOUTUBE_ID
from dataset_builder.schema import REPLAY
from dataset_builder.settings import Settings
from dataset_builder.vocabulary import (
    BOT_ACCOUNT,
    BOT_NAMES,
    BOT_SIGNATURE,
    DELETED_TEXT,
    MARK_GATE,
    NO_BOT_ACCOUNT,
    NSFW_MARK,
)
from dataset_builder.work.sql import quote, sql_list, sql_type

SUBMISSION_FIELDS = (
    "id", "name", "subreddit", "author", "title", "url", "selftext", "created_utc", "score",
    "upvote_ratio", "num_comments", "over_18", "is_self", "is_gallery", "gallery_data",
    "media_metadata", "media", "preview", "removed_by_category", "banned_by", "link_flair_text",
    "retrieved_on", "_meta", "removal_type",
)  # fmt: skip
COMMENT_FIELDS = (
    "id", "link_id", "parent_id", "subreddit", "author", "body", "score", "created_utc",
    "retrieved_on", "_meta", "removal_type",
)  # fmt: skip


def host_of(url: str) -> str:
    """SQL: the lower-case host of a URL column, without "www."."""
    found = rf"regexp_extract({url}, '^(?i:[a-z][a-z0-9+.-]*)://(?:[^/?#@]*@)?([^/?#:]+)', 1)"
    return rf"regexp_replace(lower({found}), '^(www|m|old|new)\.', '')"


def youtube_id(url: str) -> str:
    """SQL: the 11-character video id in a YouTube URL column, else null (`youtube_video`)."""
    found = f"regexp_extract({url}, {quote(YOUTUBE_ID)}, 1)"
    none = sql_list(("", *NO_VIDEOS))
    # few posts hold the word, and the pattern costs more than looking for it
    likely = f"contains(lower({url}), 'youtu')"
    return f"CASE WHEN {likely} THEN CASE WHEN {found} NOT IN {none} THEN {found} END END"


def clean_url(url: str) -> str:
    """SQL: the URL with the dumps' HTML escapes undone."""
    return f"replace(replace({url}, '&amp;', '&'), '&lt;', '<')"


def number(column: str) -> str:
    """SQL: a text column as BIGINT; "12", "12.9" and " 12 " alike, anything else null.

    Rounded down: a moment before midnight is still that day.
    """
    return f"try_cast(floor(try_cast({column} AS DOUBLE)) AS BIGINT)"


def truth(column: str) -> str:
    """SQL: a text column that says true."""
    return f"coalesce(lower({column}) IN ('true', '1', '1.0'), false)"


def author_hash(column: str, key: bytes) -> str:
    """SQL: HMAC-SHA256 of an author name under `key`, null for deleted authors.

    Written out as its two SHA-256 passes (RFC 2104), because DuckDB has no HMAC.
    """
    pad = key.ljust(64, b"\0") if len(key) <= 64 else sha256(key).digest().ljust(64, b"\0")
    inner = bytes(byte ^ 0x36 for byte in pad).hex()
    outer = bytes(byte ^ 0x5C for byte in pad).hex()
    digest = (
        f"sha256(unhex('{outer}') || unhex(sha256(unhex('{inner}') || encode(lower({column})))))"
    )
    return (
        f"CASE WHEN {column} IS NULL OR {column} IN ('', '[deleted]') THEN NULL ELSE {digest} END"
    )


def hash_author(name: str, key: bytes) -> str:
    """What `author_hash` gives for one name."""
    return hmac.new(key, name.lower().encode(), sha256).hexdigest()


def bot(author: str) -> str:
    """SQL: how we know from its author's name that a program wrote it, else null."""
    return (
        f"CASE WHEN lower({author}) IN {sql_list(BOT_NAMES)} THEN 'listed account' "
        # few names hold the word, and a pattern costs more than looking for it
        f"WHEN contains(lower({author}), 'bot') THEN CASE "
        f"WHEN regexp_matches({author}, {quote(BOT_ACCOUNT)}) "
        f"AND NOT regexp_matches({author}, {quote(NO_BOT_ACCOUNT)}) THEN 'account pattern' END END"
    )


def signed(body: str) -> str:
    """SQL: the text says that a program wrote it."""
    return f"regexp_matches({body}, {quote(BOT_SIGNATURE)})"


def deleted_text(column: str) -> str:
    """SQL: Reddit's mark for deleted text where the column is one, as "[removed by reddit]"."""
    # CASE, because AND would run the pattern over every long text as well
    mark = f"lower(trim(regexp_extract({column}, {quote(DELETED_TEXT)}, 1)))"
    return (
        f"CASE WHEN strlen({column}) < 200 THEN CASE WHEN contains({column}, '[') THEN "
        f"CASE WHEN {mark} <> '' THEN '[' || {mark} || ']' END END END"
    )


def deleted_later() -> str:
    """SQL: what an archive's second look at a row found gone, "removed by reddit" or the like.

    Arctic Shift keeps the first text and says so in `_meta`; a category is shown, never a name.
    """
    meta = "try_cast(_meta AS JSON)"
    kind = f"coalesce(removal_type, json_extract_string({meta}, '$.removal_type'))"
    later = f"json_extract_string({meta}, '$.was_deleted_later')"
    known = f"CASE WHEN regexp_full_match({kind}, '[A-Za-z_ ]{{1,40}}') THEN lower({kind})"
    return (
        "CASE WHEN removal_type IS NOT NULL OR contains(_meta, 'remov') "
        f"OR contains(_meta, 'delet') THEN {known} "
        f"WHEN {kind} <> '' OR {truth(later)} THEN 'deleted later' END END"
    )


def subreddits(settings: Settings) -> tuple[list[str], list[str]]:
    """Names of the picture and of the video subreddits, lower case."""
    reddit = settings.reddit
    groups = (reddit.image_subreddits or [], reddit.video_subreddits or [])
    images, videos = ([name.lower() for name in group] for group in groups)
    return images, videos


def wanted(settings: Settings, unknown: bool) -> str:
    """SQL: a raw row is of one of our subreddits; `unknown` answers for rows that do not say."""
    images, videos = subreddits(settings)
    listed = sql_list([*images, *videos])
    return f"coalesce(lower(subreddit) IN {listed}, {str(unknown).lower()})"


def submissions_sql(settings: Settings, key: bytes) -> str:
    """SELECT over `raw` (SUBMISSION_FIELDS as text) that gives staged posts.

    The permalink is made anew: the dump's repeats the title, or names the author of a profile.
    """
    native = "coalesce(id, regexp_replace(name, '^t3_', ''))"
    url = clean_url("url")
    if settings.reddit.galleries == "first":
        url = f"coalesce({_gallery_picture()}, {url})"
    size = "$.images[0].source"
    return f"""
    SELECT 'reddit-' || {native} AS id, 'reddit' AS source, {_media_type(settings)} AS media_type,
      {native} AS native_id, {url} AS url, coalesce({youtube_id(url)}, {native}) AS media_key,
      lower(subreddit) AS subreddit, {host_of(url)} AS host,
      'https://www.reddit.com/r/' || lower(subreddit) || '/comments/' || {native} || '/'
        AS permalink,
      title, NULL::VARCHAR AS description, NULL::VARCHAR AS channel, NULL::VARCHAR AS channel_id,
      NULL::VARCHAR AS brand, {number("created_utc")} AS created,
      nullif(try_cast(json_extract(try_cast(media AS JSON), '$.reddit_video.duration') AS DOUBLE),
        0) AS duration,
      try_cast(json_extract(try_cast(preview AS JSON), '{size}.width') AS BIGINT) AS width,
      try_cast(json_extract(try_cast(preview AS JSON), '{size}.height') AS BIGINT) AS height,
      NULL::BIGINT AS likes, NULL::BIGINT AS views, {number("score")} AS score,
      {number("num_comments")} AS num_comments, try_cast(upvote_ratio AS DOUBLE) AS upvote_ratio,
      NULL::VARCHAR AS asr, NULL::VARCHAR AS language, NULL::VARCHAR AS category,
      NULL::VARCHAR[] AS tags, NULL::{sql_type(REPLAY)} AS replay,
      {author_hash("author", key)} AS author_key,
      {_post_nsfw()} AS nsfw,
      coalesce({bot("author")}, CASE WHEN {signed("selftext")} THEN 'signature' END) AS bot,
      {_post_deleted()} AS deleted,
      ({truth("is_gallery")}
        OR coalesce(regexp_matches({url}, '(?i)reddit\\.com/gallery/'), false)) AS gallery,
      {truth("is_self")} AS is_self, false AS comments_disabled,
      {_retrieved()} AS retrieved
    FROM raw"""


def _media_type(settings: Settings) -> str:
    images, videos = subreddits(settings)
    return (
        f"CASE WHEN lower(subreddit) IN {sql_list(images)} THEN 'image' "
        f"WHEN lower(subreddit) IN {sql_list(videos)} THEN 'video' END"
    )


def _gallery_picture() -> str:
    """SQL: the address of a gallery's first picture that is there: uploads may fail."""
    ids = "json_extract_string(try_cast(gallery_data AS JSON), '$.items[*].media_id')"

    def told(item: str, field: str) -> str:
        path = f"'$.\"' || {item} || '\".{field}'"
        return f"json_extract_string(try_cast(media_metadata AS JSON), {path})"

    there = (
        f"{told('i', 'm')} LIKE 'image/%' AND coalesce({told('i', 'status')}, 'valid') = 'valid'"
    )
    # a path made of anything else than an id would be no path
    fit = "regexp_full_match(i, '[0-9A-Za-z_.-]+')"
    item = f"list_filter({ids}, lambda i: CASE WHEN {fit} THEN {there} ELSE false END)[1]"
    return f"'https://i.redd.it/' || {item} || '.' || split_part({told(item, 'm')}, '/', 2)"


def _post_nsfw() -> str:
    mark = quote(NSFW_MARK)
    return (
        f"CASE WHEN {truth('over_18')} THEN 'over_18' "
        f"WHEN regexp_matches(title, {mark}) THEN 'title' "
        f"WHEN regexp_matches(link_flair_text, {mark}) THEN 'flair' END"
    )


def _post_deleted() -> str:
    return (
        "CASE WHEN author = '[deleted]' THEN 'author' "
        "WHEN removed_by_category IS NOT NULL THEN 'removed by ' || "
        "regexp_extract(lower(removed_by_category), '^[a-z_]+$') "  # a category, never a name
        "WHEN banned_by IS NOT NULL AND lower(banned_by) <> 'false' THEN 'banned' "
        f"ELSE coalesce({deleted_text('title')}, {deleted_text('selftext')}, {deleted_later()}) END"
    )


def _retrieved() -> str:
    """SQL: when the row's score was read; Arctic Shift looks twice and keeps the later score."""
    # a number behind its name: reading the object as JSON costs twice as much
    again = "try_cast(regexp_extract(_meta, '\"retrieved_2nd_on\": ?([0-9]+)', 1) AS BIGINT)"
    later = f"CASE WHEN contains(_meta, 'retrieved_2nd_on') THEN {again} END"
    return f"nullif(greatest({number('retrieved_on')}, {later}), 0)"


def drops_uploader(settings: Settings) -> bool:
    return settings.reddit.uploader_comments == "drop"


def drops_pinned(settings: Settings) -> bool:
    return settings.reddit.pinned_comments == "drop"


def comment_fields(settings: Settings) -> tuple[str, ...]:
    """The fields of a comment that these settings need."""
    more = ("is_submitter",) if drops_uploader(settings) else ()
    return COMMENT_FIELDS + more + (("stickied",) if drops_pinned(settings) else ())


def comment_rows() -> str:
    """SELECT over `raw` (COMMENT_FIELDS as text) that adds the post's id, as ours."""
    native = "CASE WHEN starts_with(link_id, 't3_') THEN link_id[4:] ELSE link_id END"
    return f"SELECT 'reddit-' || {native} AS post_id, * FROM raw"


def comments_sql(rows: str, settings: Settings, key: bytes) -> str:
    """SELECT over rows as of `comment_rows` that gives staged comments: no author, but a hash.

    A reply that the settings drop unread leaves no text and no hash.
    """
    reply = "coalesce(NOT starts_with(parent_id, 't3_'), false)"
    body, author = "body", author_hash("author", key)
    if settings.reddit.top_level_only:
        body, author = (f"CASE WHEN NOT {reply} THEN {value} END" for value in (body, author))
    return f"""
    SELECT post_id, id, {body} AS body, {number("score")} AS likes,
      {number("created_utc")} AS created, NULL::BIGINT AS position, {author} AS author_key,
      {bot("author")} AS bot,
      CASE WHEN author = '[deleted]' THEN 'author' ELSE {deleted_later()} END AS deleted,
      {reply} AS reply,
      {truth("is_submitter") if drops_uploader(settings) else "false"} AS uploader,
      {truth("stickied") if drops_pinned(settings) else "false"} AS pinned,
      {_retrieved()} AS retrieved
    FROM ({rows})"""


def body_marks(rows: str, where: str) -> str:
    """SELECT over staged comments that adds, `where` it is worth it, the marks of their texts.

    One pattern first asks whether a text may hold any, because most hold none.
    """
    likely = f"CASE WHEN {where} THEN regexp_matches(body, {quote(MARK_GATE)}) END"
    return f"""
    SELECT * REPLACE (
      CASE WHEN bot IS NOT NULL THEN bot WHEN likely THEN
        CASE WHEN {signed("body")} THEN 'signature' END END AS bot,
      CASE WHEN NOT ({where}) THEN NULL
        WHEN body IS NULL THEN coalesce(deleted, 'no text')
        ELSE coalesce({deleted_text("body")}, deleted) END AS deleted),
      CASE WHEN likely THEN CASE WHEN regexp_matches(body, {quote(NSFW_MARK)}) THEN 'text' END END
        AS nsfw
    FROM (SELECT *, {likely} AS likely FROM ({rows}))"""
