"""Every rule by itself: the reason and value for what it drops, nothing for its neighbours."""

import json

import duckdb
import pytest

from dataset_builder.ledger.addresses import canonical_url, youtube_video
from dataset_builder.read.reddit import (
    BOT_NAMES,
    SUBMISSION_FIELDS,
    body_marks,
    hash_author,
    submissions_sql,
)
from dataset_builder.rules import order
from dataset_builder.schema import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.settings import load_settings
from dataset_builder.vocabulary import TOPICS, nsfw_words, versions
from dataset_builder.work.sql import sql_type

POST = {
    "reddit": {
        "native_id": "abc", "media_type": "image", "created": 1_600_000_000, "title": "A title",
        "host": "i.redd.it", "gallery": False, "is_self": False, "media_key": "abc",
    },
    "youtube": {
        "native_id": "AAAAAAAAAAA", "media_type": "video", "created": 1_600_000_000,
        "title": "A title", "views": 20_000, "duration": 30.0, "category": "education",
        "tags": ["garden"], "language": "en", "comments_disabled": False, "description": "words",
    },
}  # fmt: skip


def literal(value, kind):
    if value is None:
        return f"NULL::{kind}"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item, "VARCHAR") for item in value) + "]"
    return f"{value}::{kind}"


def judge(stages, row, schema, extra=""):
    names = {field.name: sql_type(field.type) for field in schema}
    columns = ", ".join(f'{literal(row.get(n), kind)} AS "{n}"' for n, kind in names.items())
    with duckdb.connect() as con:
        con.execute("CREATE TABLE channels (id VARCHAR, label VARCHAR)")
        if row.get("listed"):
            con.execute("INSERT INTO channels VALUES (?, '')", [row["listed"]])
        found = con.execute(f"SELECT {order.verdict(stages)} FROM (SELECT {columns}{extra})")
        verdict = found.fetchone()[0]
    return (verdict["reason"], verdict["value"]) if verdict else None


def post(source, late=False, set_=(), comments=9, **changes):
    settings = load_settings("seed", list(set_))
    extra = f", {comments} AS kept_comments, NULL::VARCHAR AS detected"
    return judge(order.staged(source, late, settings), POST[source] | changes, STAGED_POSTS, extra)


def comment(source, set_=(), text="four words are enough", nsfw=None, **changes):
    settings = load_settings("seed", list(set_))
    functions = (*order.COMMENT_MARKS, *order.COMMENT_TEXT)
    stages = order.comment_rules(functions, settings, source)
    extra = f", {literal(text, 'VARCHAR')} AS text, {literal(nsfw, 'VARCHAR')} AS nsfw"
    return judge(stages, {"reply": False} | changes, STAGED_COMMENTS, extra)


DAY = 86_400
CASES = [
    ("reddit", {}, None),
    ("reddit", {"native_id": "a/b"}, ("bad_id", "x/x")),
    ("reddit", {"created": None}, ("no_date", "no date")),
    ("reddit", {"created": 1_422_748_799}, ("before_overlay_rule", "2015-01-31")),
    ("reddit", {"created": 1_422_748_800}, ("before_window", "2015-02-01")),
    ("reddit", {"created": 1_514_764_799}, ("before_window", "2017-12-31")),
    ("reddit", {"created": 1_514_764_800}, None),
    ("reddit", {"created": 1_643_673_599}, None),
    ("reddit", {"created": 1_643_673_600}, ("after_window", "2022-02-01")),
    ("reddit", {"created": 10**17}, ("after_window", str(10**17))),
    ("reddit", {"nsfw": "over_18"}, ("nsfw", "over_18")),
    ("reddit", {"bot": "signature"}, ("bot", "signature")),
    ("reddit", {"deleted": "author"}, ("deleted", "author")),
    ("youtube", {}, None),
    ("youtube", {"created": 1_514_764_799}, ("before_window", "2017-12-31")),
    ("youtube", {"created": 1_704_067_199}, None),
    ("youtube", {"created": 1_704_067_200}, ("after_window", "2024-01-01")),
    ("youtube", {"channel_id": "UCb", "listed": "UCa"}, ("channel_not_listed", "UCb")),
    ("youtube", {"channel_id": None, "listed": "UCa"}, ("channel_not_listed", "unknown")),
    ("youtube", {"channel_id": "UCa", "listed": "UCa"}, None),
    ("youtube", {"category": "music"}, ("category", "music")),
    ("youtube", {"category": "sports"}, None),
    ("youtube", {"title": "Minecraft house"}, ("topic", "gaming")),
    ("youtube", {"tags": ["anime"]}, ("topic", "anime")),
    ("youtube", {"title": "Newspaper craft"}, None),
    ("youtube", {"language": "de"}, ("language", "de")),
    ("youtube", {"language": "en-GB"}, None),
    ("youtube", {"language": "eng"}, ("language", "eng")),
    ("youtube", {"language": None}, None),
    (
        "youtube",
        {"language": None, "title": "川の近くの家"},
        ("language", "title in another script"),
    ),
    ("youtube", {"comments_disabled": True}, ("comments_disabled", "disabled")),
    ("youtube", {"duration": 60.0}, None),
    ("youtube", {"duration": 60.1}, ("too_long", "60.1")),
    ("youtube", {"duration": None}, None),  # the media stage measures it
    ("youtube", {"views": 10_000}, ("few_views", "10000")),
    ("youtube", {"views": 10_001}, None),
    ("youtube", {"views": None}, ("few_views", "hidden")),
    ("youtube", {"nsfw": "age_limit"}, ("nsfw", "age_limit")),
]


@pytest.mark.parametrize(("source", "changes", "expected"), CASES, ids=range(len(CASES)))
def test_early_post_rules(source, changes, expected):
    assert post(source, **changes) == expected


LATE = [
    ("reddit", {"comments": 1}, ("few_comments", "1")),
    ("reddit", {"comments": 2}, None),
    ("youtube", {"comments": 0}, ("few_comments", "0")),
    ("reddit", {"media_type": "video", "duration": 500.0, "host": "v.redd.it"},
     ("not_hosted", "v.redd.it")),
    ("reddit", {"media_type": "video", "duration": 500.5, "host": "v.redd.it"},
     ("too_long", "500.5")),
    ("reddit", {"gallery": True}, ("gallery", "gallery")),
    ("reddit", {"host": "i.imgur.com"}, ("not_hosted", "i.imgur.com")),
    ("reddit", {"host": "notredd.it"}, ("not_hosted", "notredd.it")),
    ("reddit", {"host": None}, ("not_hosted", "no URL")),
    ("reddit", {"is_self": True}, ("not_hosted", "self post")),
    ("reddit", {"media_type": "video", "host": "youtu.be", "media_key": "AAAAAAAAAAA"}, None),
    ("reddit", {"media_type": "video", "host": "youtube.com"}, ("not_hosted", "youtube.com")),
]  # fmt: skip


@pytest.mark.parametrize(("source", "changes", "expected"), LATE, ids=range(len(LATE)))
def test_late_post_rules(source, changes, expected):
    assert post(source, late=True, **changes) == expected


def test_the_word_list_in_titles_and_descriptions():
    word = next(word for word in nsfw_words() if word.isalpha() and len(word) > 6)
    assert post("youtube", title=f"A {word.upper()} title") == ("nsfw_words", word)
    assert post("youtube", description=f"x {word}.") == ("nsfw_words", word)
    assert post("youtube", title=f"x{word}x") is None
    assert post("reddit", title=word) is None
    on = ["reddit.nsfw_vocabulary_posts=true"]
    assert post("reddit", set_=on, title=word) == ("nsfw_words", word)
    assert comment("youtube", text=f"one two three {word}") == ("nsfw_words", word)


COMMENTS = [
    ("reddit", {}, None),
    ("reddit", {"reply": True}, None),
    ("youtube", {"reply": True}, ("reply", "reply")),
    ("reddit", {"nsfw": "text"}, ("nsfw", "text")),
    ("reddit", {"bot": "listed account"}, ("bot", "listed account")),
    ("reddit", {"deleted": "text"}, ("deleted", "text")),
    ("reddit", {"text": ""}, ("empty", "empty")),
    ("reddit", {"text": "two words"}, ("few_words", "2")),
    ("reddit", {"text": "three short words"}, None),
    ("youtube", {"text": "three short words"}, ("few_words", "3")),
    ("youtube", {"text": "w " * 99 + "w"}, None),
    ("youtube", {"text": "w " * 100 + "w"}, ("many_words", "101")),
    ("reddit", {"text": "w " * 100 + "w"}, None),
]


SOON, LATER = {"created": 100, "retrieved": 100 + 86_399}, {"created": 100, "retrieved": 86_500}
OWN = [  # switched on by `drop`: uploader's and pinned comments, early labels, bare links
    ("uploader_comments", {"uploader": True}, ("uploader", "uploader")),
    ("uploader_comments", {"uploader": None}, None),
    ("pinned_comments", {"pinned": True}, ("pinned", "pinned")),
    ("early_comments", SOON, ("early_label", "86399 s after posting")),
    ("early_comments", LATER, None),
    ("early_comments", {"created": 9_000, "retrieved": 100}, None),  # that cannot be
    ("early_comments", {"created": 100}, None),
    ("link_only_comments", {"text": "https://a.example/x"}, ("link_only", "1 links")),
    (
        "link_only_comments",
        {"text": "▶ https://a.example www.b.example"},
        ("link_only", "2 links"),
    ),
    (
        "link_only_comments",
        {"text": "Follow me: Instagram https://a.example Twitter: b.example/me | Shop c.ly/x"},
        ("link_only", "3 links"),
    ),
    ("link_only_comments", {"text": "this is where it was https://a.example/x"}, None),
    ("link_only_comments", {"text": "either/or is a choice of 24/7 and w/o end"}, None),
]


@pytest.mark.parametrize("source", ["reddit", "youtube"])
@pytest.mark.parametrize(("name", "changes", "expected"), OWN)
def test_comment_rules_that_are_settings(source, name, changes, expected):
    assert comment(source, [f"{source}.{name}=drop"], **changes) == expected
    assert comment(source, [f"{source}.{name}=keep"], **changes) in (
        None,
        ("few_words", str(len(changes.get("text", "").split()))),
    )


def test_posts_with_early_labels():
    for source in POST:
        changes = {"created": 1_600_000_000, "retrieved": 1_600_000_002}
        found = ("early_label", "2 s after posting")
        assert post(source, set_=[f"{source}.early_posts=drop"], **changes) == found
        assert post(source, **changes) is None


@pytest.mark.parametrize(("source", "changes", "expected"), COMMENTS, ids=range(len(COMMENTS)))
def test_comment_rules(source, changes, expected):
    assert comment(source, **changes) == expected


def test_the_first_rule_that_holds_is_the_reason():
    assert post("reddit", created=1_000_000_000, nsfw="over_18", bot="signature")[0] == (
        "before_overlay_rule"
    )


@pytest.mark.parametrize(
    ("set_", "source", "late", "changes"),
    [
        (["reddit.start=null"], "reddit", False, {"created": 1_500_000_000}),
        (["reddit.nsfw=false"], "reddit", False, {"nsfw": "over_18"}),
        (["reddit.image_hosts=null"], "reddit", True, {"host": "i.imgur.com"}),
        (["reddit.image_hosts=[imgur.com]"], "reddit", True, {"host": "i.imgur.com"}),
        (["reddit.galleries=first"], "reddit", True, {"gallery": True}),
        (["youtube.max_seconds=null"], "youtube", False, {"duration": 9999.0}),
        (["youtube.languages=null"], "youtube", False, {"language": "de"}),
        (["youtube.languages=[en, de]"], "youtube", False, {"language": "de"}),
        (["youtube.excluded_topics=[]"], "youtube", False, {"title": "Minecraft"}),
        (["youtube.min_views=null"], "youtube", False, {"views": 1}),
        (["youtube.comments_disabled=keep"], "youtube", False, {"comments_disabled": True}),
    ],
)
def test_settings_switch_rules_off(set_, source, late, changes):
    assert post(source, late=late, **changes) is not None
    assert post(source, late=late, set_=set_, **changes) is None


def submission(**values):
    """One raw submission through the reader's SQL."""
    columns = ", ".join(
        f'{literal(values.get(name), "VARCHAR")} AS "{name}"' for name in SUBMISSION_FIELDS
    )
    settings = load_settings("seed", [f"reddit.galleries={values.pop('galleries', 'drop')}"])
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE raw AS SELECT {columns}")
        found = con.sql(submissions_sql(settings, b"k" * 32)).to_arrow_table().to_pylist()
    return found[0]


@pytest.mark.parametrize("value", ["1600000000", "1600000000.0", " 1600000000 ", "1.6e9"])
def test_times_of_every_type(value):
    assert submission(id="a", created_utc=value)["created"] == 1_600_000_000


@pytest.mark.parametrize(
    ("author", "bot"),
    [
        ("AutoModerator", "listed account"),
        ("some_bot", "account pattern"),
        ("PictureBot", "account pattern"),
        ("picture-bot2", "account pattern"),
        ("Talbot", None),
        ("robot_fan", None),
        ("abbot", None),
        ("JTalbot", None),
        ("FatherAbbot", None),
        ("SABOT", None),
        ("IAmNotABot", None),
        ("definitely_not_a_bot", None),
        ("BitchyGayRobot", None),
        ("youtubefactsbot", "account pattern"),
        ("nwordcountbot", "account pattern"),
        ("savevideobot", "account pattern"),
        ("autowikibot", "account pattern"),
        ("weatherbot", "account pattern"),
        ("user_c37bigbot", None),
        ("Metal_Bot", "account pattern"),
        (None, None),
    ],
)
def test_bot_accounts(author, bot):
    assert submission(id="a", author=author)["bot"] == bot


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ({"author": "[deleted]"}, "author"),
        ({"removed_by_category": "moderator"}, "removed by moderator"),
        ({"banned_by": "true"}, "banned"),
        ({"banned_by": "false"}, None),
        ({"title": "[deleted by user]"}, "[deleted by user]"),
        ({"selftext": "[removed]"}, "[removed]"),
        ({"selftext": "words [removed] words"}, None),
        ({"title": "[removed scene]"}, None),
        ({"removal_type": "removed"}, "removed"),
        ({"_meta": '{"was_deleted_later": true, "removal_type": "deleted"}'}, "deleted"),
        ({"_meta": '{"removal_type":"removed by reddit"}'}, "removed by reddit"),
        ({"_meta": '{"was_deleted_later":true}'}, "deleted later"),
        ({"_meta": '{"removal_type":"u/some_one"}'}, "deleted later"),
        ({"_meta": '{"was_deleted_later":false,"removal_type":null}'}, None),
        ({"_meta": "{was_deleted_later"}, None),
        ({"author": None}, None),
    ],
)
def test_deleted_marks(values, mark):
    assert submission(id="a", **values)["deleted"] == mark


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("[removed]\n", "[removed]"),
        ("[ Removed by Reddit ]", "[removed by reddit]"),
        ("[ Deleted by User ]", "[deleted by user]"),
        (r"\[deleted\]", "[deleted]"),
        ("**[removed by moderator]**", "[removed by moderator]"),
        (
            "[ Removed by reddit in response to a copyright notice. ]",
            "[removed by reddit in response to a copyright notice.]",
        ),
        (None, "no text"),
        ("why was it [removed]", None),
        ("[deleted] is what he said", None),
    ],
)
def test_marks_in_place_of_a_comment(text, mark):
    assert body(text)["deleted"] == mark


@pytest.mark.parametrize(
    ("text", "bot"),
    [
        ("I am a bot", "signature"),
        ("Hi! I'm a friendly reddit bot that links videos", "signature"),
        ("^(I'm just a bot.)", "signature"),
        ("^I ^am ^a ^bot ^and ^this", "signature"),
        ("*I\u2019m a bot, beep*", "signature"),
        ("OP, this is a bot account", None),
        ("This is a robot arm that my brother built", None),
        ("I am a robot vacuum owner and happy", None),
        ("do you think I am a bot?", None),
        ("I am not a bot", None),
    ],
)
def test_bots_say_it_in_the_first_person(text, bot):
    assert body(text)["bot"] == bot


def body(text):
    """The marks that a comment's text gives it."""
    row = f"{literal(text, 'VARCHAR')} AS body, NULL AS bot, NULL::VARCHAR AS deleted"
    with duckdb.connect() as con:
        found = con.sql(body_marks(f"SELECT {row}", "true")).to_arrow_table().to_pylist()
    return found[0]


def test_words_are_bounded_by_letters_of_any_script():
    word = next(word for word in nsfw_words() if word.isalpha() and len(word) > 6)
    for text in (f"Chef \u015e{word}", f"\u00fc{word}", f"{word}\u00e9", f"\u0436{word}"):
        assert post("youtube", title=text) is None, text
    for text in (
        f"\u201c{word}\u201d",
        f"\u2764\ufe0f{word}\U0001f602",
        f"({word})",
        f"\u00fc {word}",
    ):
        assert post("youtube", title=text) == ("nsfw_words", word), text
    assert post("youtube", title="G\u00fcnews of the week") is None
    assert post("youtube", title="\u201cnews\u201d of the week") == ("topic", "news")


def test_every_topic_is_bounded_on_both_sides():
    assert all(p.startswith(r"\b(?:") and p.endswith(r")\b") for p in TOPICS.values())


def test_authors_are_keyed_hashes():
    key = b"k" * 32
    assert submission(id="a", author="Some_One")["author_key"] == hash_author("some_one", key)
    assert submission(id="a", author="[deleted]")["author_key"] is None
    assert hash_author("a", key) != hash_author("a", b"j" * 32)


def test_urls():
    escaped = "https://i.redd.it/x.jpg?a=1&amp;b=2"
    assert submission(id="a", url=escaped)["url"] == "https://i.redd.it/x.jpg?a=1&b=2"
    assert submission(id="a", url="https://WWW.YouTube.com/watch?v=AAAAAAAAAAA")["host"] == (
        "youtube.com"
    )


ID = "dQw4-_WgXcQ"
VIDEOS = [
    "https://www.youtube.com/watch?v=ID", "http://youtube.com/watch?feature=x&v=ID#t=1m",
    "https://m.youtube.com/watch?time_continue=1&amp;v=ID", "https://m.youtube.com/#/watch?v=ID",
    "https://www.youtube.com/watch/ID?app=desktop", "https://www.youtube.com/watch_popup?v=ID",
    "https://www.youtube.com/e/ID", "https://www.youtube.com/v/ID?fs=1",
    "https://www.youtube.com/shorts/ID", "https://www.youtube.com/live/ID?si=x",
    "https://www.youtube-nocookie.com/embed/ID?rel=0", "https://www.youtube.com/?v=ID",
    "https://youtu.be/ID?t=3", "https://youtu.be/ID&feature=share", "https://youtu.be/watch?v=ID",
    "https://youtu.be/watch_popup?v=ID", "https://youtu.be/shorts/ID", "https://www.youtu.be/ID",
    "https://www.youtube.com/attribution_link?u=%2Fwatch%3Fv%3DID%26x",
    "https://www.youtube.com/attribution_link?a=8g8kPrPIi-ecw&u=/watch%3Fv%3DID%26feature%3Dem",
    "https://www.youtube.com/attribution_link?a=x&u=/watch?v=ID",
    "https://www.youtube.com/verify_controversy?next_url=/watch%3Fv%3DID",
    "https://consent.youtube.com/m?continue=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3DID&gl=DE",
    "HTTPS://WWW.YOUTUBE.COM:443//watch?v=ID", "http://uk.youtube.com/watch?v=ID",
    "https://www.youtube.com/watch#!v=ID", "http://www.youtube.com/user/foo#p/u/1/ID",
    "https://www.youtube.com/watch?list=PLx&index=2&v=ID&v=AAAAAAAAAAA",
]  # fmt: skip
NO_VIDEOS = [
    "https://www.youtube.com/redirect?event=x&q=https%3A%2F%2Fshop.example%2F&v=ID",
    "https://www.youtube.com/redirect?q=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3DID",
    "https://www.youtube.com/embed/videoseries?list=PLx", "https://www.youtube.com/watch?v=short",
    "https://www.youtube.com/embed/live_stream?channel=UCx", "https://www.youtube.com/c/ID",
    "https://www.youtube.com/playlist?list=PLID", "https://www.youtube.com/results?q=x&v=ID",
    "https://www.youtube.com/channel/UCID", "https://www.youtube.com/@ID", "/watch?v=ID",
    "https://youtu.be/attribution_link?a=x", "https://img.youtube.com/vi/ID/0.jpg",
    "https://youtube.com.other.example/watch?v=ID", "https://notyoutube.com/watch?v=ID",
    "https://youtube.com@other.example/watch?v=ID", "https://other.example/?v=ID&x=youtube.com",
]  # fmt: skip


@pytest.mark.parametrize("shape", [*VIDEOS, *NO_VIDEOS])
def test_which_addresses_are_youtube_videos(shape):
    url = shape.replace("ID", ID)
    found = submission(id="a", url=url)["media_key"]
    assert found == (ID if shape in VIDEOS else "a")
    plain = url.replace("&amp;", "&")
    assert youtube_video(plain) == (ID if shape in VIDEOS else None)
    if shape in VIDEOS:
        assert canonical_url(plain) == f"youtube.com/watch?v={ID}"


def test_two_playlists_are_two_addresses():
    a, b = (canonical_url(f"https://www.youtube.com/playlist?list=PL{n}") for n in "ab")
    assert a != b


def test_the_first_picture_of_a_gallery():
    row = submission(
        id="a", galleries="first", is_gallery="true", url="https://www.reddit.com/gallery/a",
        gallery_data='{"items":[{"media_id":"m1"},{"media_id":"m2"}]}',
        media_metadata='{"m1":{"m":"image/png"},"m2":{"m":"image/jpg"}}',
    )  # fmt: skip
    assert (row["url"], row["host"], row["gallery"]) == (
        "https://i.redd.it/m1.png", "i.redd.it", True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("items", "told", "wanted"),
    [
        (["x", "y"], {"x": {"status": "failed"}, "y": {"status": "valid", "m": "image/jpg"}},
         "https://i.redd.it/y.jpg"),
        (["x", "y"], {"x": {"status": "unprocessed", "m": "image/jpg"}, "y": {"m": "image/png"}},
         "https://i.redd.it/y.png"),
        (["v", "g"], {"v": {"status": "valid", "e": "RedditVideo"},
                      "g": {"status": "valid", "m": "image/gif"}}, "https://i.redd.it/g.gif"),
        (["gone", "1ab-c"], {"1ab-c": {"m": "image/jpg"}}, "https://i.redd.it/1ab-c.jpg"),
        (['a"b', None, "z"], {"z": {"m": "image/jpg"}}, "https://i.redd.it/z.jpg"),
        (["x"], {"x": {"status": "failed"}}, "https://www.reddit.com/gallery/a"),
        ([], {}, "https://www.reddit.com/gallery/a"),
        (["x"], None, "https://www.reddit.com/gallery/a"),
    ],
)  # fmt: skip
def test_the_next_valid_picture_serves_where_the_first_failed(items, told, wanted):
    row = submission(
        id="a", galleries="first", is_gallery="true", url="https://www.reddit.com/gallery/a",
        gallery_data=json.dumps({"items": [{"media_id": item} for item in items]}),
        media_metadata=json.dumps(told),
    )  # fmt: skip
    assert row["url"] == wanted


def test_lists_are_versioned():
    assert set(versions()) == {"bots", "topics", "nsfw_words"}
    assert all(name == name.lower() for name in BOT_NAMES)
    assert len(nsfw_words()) > 380


def test_every_rule_has_a_source_and_place():
    found = order.describe(load_settings("seed", []))
    assert [row["reason"] for row in found if row["source"] == "reddit" and row["kind"] == "post"] \
        == ["bad_id", "no_date", "before_overlay_rule", "before_window", "after_window", "nsfw",
            "bot", "deleted", "few_comments", "too_long", "gallery", "not_hosted"]  # fmt: skip
