"""YouTube records to staged posts and comments: yt-dlp info.json and Data API v3 pages.

A record is one yt-dlp video (with its comments), a yt-dlp playlist, one API resource or one API
list page. Comment authors are compared with the channel, and not kept.
"""

import datetime
import html
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dataset_builder.read.ndjson import mend

Row = dict[str, Any]
# the Data API gives numbers; names as YouTube shows them
CATEGORIES = {
    "1": "film & animation", "2": "autos & vehicles", "10": "music", "15": "pets & animals",
    "17": "sports", "18": "short movies", "19": "travel & events", "20": "gaming",
    "21": "videoblogging", "22": "people & blogs", "23": "comedy", "24": "entertainment",
    "25": "news & politics", "26": "howto & style", "27": "education",
    "28": "science & technology", "29": "nonprofits & activism", "30": "movies",
    "31": "anime/animation", "43": "shows", "44": "trailers",
}  # fmt: skip
_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")
_BREAK = re.compile(r"(?i)<br\s*/?>|</p>")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,2000}>")
_UNUSED_KINDS = {
    "youtube#channelListResponse", "youtube#playlistItemListResponse", "youtube#channel",
    "youtube#searchListResponse", "youtube#videoCategoryListResponse",
}  # fmt: skip
PLAYLISTS = ("playlist", "multi_video")
# a yt-dlp record has most of these, a row of another program's file hardly one
_VIDEO_FIELDS = (
    "extractor", "extractor_key", "webpage_url", "title", "fulltitle", "channel_id", "view_count",
    "upload_date", "timestamp", "duration", "comments",
)  # fmt: skip


@dataclass
class Rows:
    """Staged rows gathered from records."""

    posts: list[Row] = field(default_factory=list)
    comments: list[Row] = field(default_factory=list)


def parse(record: Mapping[str, Any], rows: Rows) -> None:
    """Add the record's videos and comments to `rows`; ValueError says why it cannot be read."""
    kind = str(record.get("kind") or "")
    if kind.endswith("ListResponse") and kind not in _UNUSED_KINDS:
        for item in _items(record, "items"):
            parse(item, rows)
    elif kind == "youtube#video":
        rows.posts.append(_api_video(record))
    elif kind == "youtube#commentThread":
        _api_thread(record, rows)
    elif kind == "youtube#comment":
        rows.comments.append(_api_comment(record, {}, True))
    elif kind:
        raise ValueError(f"a page of kind {_plain(kind)}, expected videos or comment threads")
    elif record.get("_type") in PLAYLISTS:
        for entry in _items(record, "entries"):
            parse(entry, rows)
    else:
        _video(record, rows)


def _plain(word: str) -> str:
    """A word of the format's own; anything else is not repeated, as it may be a person's."""
    return word if re.fullmatch(r"[A-Za-z#:]{1,40}", word) else "that is not known"


def _items(record: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    for item in record.get(name) or []:
        if isinstance(item, Mapping):
            yield item


def is_video(record: Mapping[str, Any]) -> bool:
    """True when the fields are a yt-dlp video's, and not those of a Reddit row."""
    foreign = "subreddit" in record or "link_id" in record
    return not foreign and any(record.get(name) is not None for name in _VIDEO_FIELDS)


def _video(record: Mapping[str, Any], rows: Rows) -> None:
    """One yt-dlp info.json."""
    if not is_video(record):
        known = [name for name in sorted(record) if re.fullmatch(r"[a-z_]{1,30}", name)]
        names = ", ".join(known[:8]) or "none that are known"
        raise ValueError(f"not a video's info.json: the record's fields are {names}")
    extractor = str(record.get("extractor_key") or record.get("extractor") or "youtube").lower()
    video = _text(record.get("id"))
    if not video or not extractor.startswith("youtube"):
        why = f"its site is {_plain(extractor)}" if video else "it has no id"
        raise ValueError(f"not a YouTube video: {why}")
    comments = list(_items(record, "comments"))
    post = _post(video)
    categories = record.get("categories") or []
    post.update(
        title=_text(record.get("title") or record.get("fulltitle")),
        description=_text(record.get("description")),
        channel=_text(record.get("channel") or record.get("uploader")),
        channel_id=_text(record.get("channel_id")),
        created=_created(record),
        duration=_seconds(_float(record.get("duration"))),
        width=_int(record.get("width")),
        height=_int(record.get("height")),
        likes=_count(record.get("like_count")),
        views=_count(record.get("view_count")),
        num_comments=_count(record.get("comment_count")),
        asr=_text(record.get("transcript") or record.get("asr")),
        language=_text(record.get("language")),
        category=(_text(categories[0]) or "").lower() or None if categories else None,
        tags=_tags(record.get("tags")),
        replay=_heatmap(record.get("heatmap")),
        nsfw="age_limit" if (_int(record.get("age_limit")) or 0) >= 18 else None,
        comments_disabled="comments" in record
        and not comments
        and not _count(record.get("comment_count")),
        retrieved=_int(record.get("epoch")) or None,
    )
    rows.posts.append(post)
    for position, item in enumerate(comments):
        rows.comments.append(_comment(post, item, position))


def _comment(post: Row, item: Mapping[str, Any], position: int) -> Row:
    author = _text(item.get("author_id"))
    return {
        "post_id": post["id"],
        "id": _text(item.get("id")) or f"{post['native_id']}.{position}",
        "body": _text(item.get("text")),
        "likes": _count(item.get("like_count")),
        "created": _int(item.get("timestamp")),
        "position": position,
        "reply": str(item.get("parent") or "root") != "root",
        "uploader": item.get("author_is_uploader") is True
        or (author is not None and author == post["channel_id"]),
        "pinned": item.get("is_pinned") is True,
        "retrieved": post["retrieved"],
    }


def _post(video: str) -> Row:
    url = f"https://www.youtube.com/watch?v={video}"
    return {
        "id": f"youtube-{video}",
        "source": "youtube",
        "media_type": "video",
        "native_id": video,
        "media_key": video,
        "url": url,
        "permalink": url,
        "host": "youtube.com",
        "gallery": False,
        "is_self": False,
    }


def _api_video(item: Mapping[str, Any]) -> Row:
    """One youtube#video resource (parts snippet, statistics, contentDetails, status)."""
    video = _text(item.get("id"))
    if not video:
        raise ValueError("a youtube#video without an id")
    snippet, statistics = _part(item, "snippet"), _part(item, "statistics")
    details = _part(item, "contentDetails")
    category = _text(snippet.get("categoryId"))
    rating = _part(details, "contentRating").get("ytRating")
    return _post(video) | {
        "title": _text(snippet.get("title")),
        "description": _text(snippet.get("description")),
        "channel": _text(snippet.get("channelTitle")),
        "channel_id": _text(snippet.get("channelId")),
        "created": _iso(snippet.get("publishedAt")),
        "duration": _iso_duration(details.get("duration")),
        "likes": _count(statistics.get("likeCount")),
        "views": _count(statistics.get("viewCount")),
        "num_comments": _count(statistics.get("commentCount")),
        "language": _text(snippet.get("defaultAudioLanguage") or snippet.get("defaultLanguage")),
        "category": CATEGORIES.get(category or "", category),
        "tags": _tags(snippet.get("tags")),
        "nsfw": "ytAgeRestricted" if rating == "ytAgeRestricted" else None,
        # the API leaves the count out where comments are disabled
        "comments_disabled": bool(statistics) and "commentCount" not in statistics,
    }


def _api_thread(item: Mapping[str, Any], rows: Rows) -> None:
    snippet = _part(item, "snippet")
    rows.comments.append(_api_comment(_part(snippet, "topLevelComment"), snippet, False))
    for reply in _items(_part(item, "replies"), "comments"):
        rows.comments.append(_api_comment(reply, snippet, True))


def _api_comment(item: Mapping[str, Any], thread: Mapping[str, Any], reply: bool) -> Row:
    snippet = _part(item, "snippet")
    video = _text(thread.get("videoId")) or _text(snippet.get("videoId"))
    comment = _text(item.get("id"))
    channel = _text(thread.get("channelId")) or _text(snippet.get("channelId"))  # the video's
    if not video or not comment:
        missing = "its id" if video else "its video"
        raise ValueError(f"a comment without {missing}")
    author = _text(_part(snippet, "authorChannelId").get("value"))
    return {
        "post_id": f"youtube-{video}",
        "id": comment,
        "body": _text(snippet.get("textOriginal")) or _of_html(_text(snippet.get("textDisplay"))),
        "likes": _count(snippet.get("likeCount")),
        "created": _iso(snippet.get("publishedAt")),
        "reply": reply,
        "uploader": author is not None and author == channel,
    }


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    if type(value) is str:
        return mend(value) if value else None
    return str(value) if isinstance(value, int | float) else None


def _of_html(text: str | None) -> str | None:
    """What readers saw of the API's `textDisplay`, the one text of these inputs that is HTML."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text))) if text else None


def _float(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _seconds(duration: float | None) -> float | None:
    """A length; live and upcoming videos have 0 (PT0S, P0D), which is none."""
    return duration if duration and duration > 0 else None


def _int(value: Any) -> int | None:
    if value is None:
        return None
    number = value if isinstance(value, int) else _float(value)
    return int(number) if number is not None and abs(number) < 2**62 else None


def _count(value: Any) -> int | None:
    """A count; -1 is how some exports write "hidden"."""
    number = _int(value)
    return number if number is not None and number >= 0 else None


def _created(record: Mapping[str, Any]) -> int | None:
    stamp = _int(record.get("timestamp") or record.get("release_timestamp"))
    day = str(record.get("upload_date") or "")
    if stamp is None and re.fullmatch(r"\d{8}", day):
        return _iso(f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00+00:00")
    return stamp


def _iso(value: Any) -> int | None:
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return int(moment.timestamp())


def _iso_duration(value: Any) -> float | None:
    found = _DURATION.match(str(value or ""))
    if not found or not any(found.groups()):
        return None
    weeks, days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return _seconds((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds)


def _tags(value: Any) -> list[str]:
    return [mend(tag) for tag in value if isinstance(tag, str)] if isinstance(value, list) else []


def _heatmap(value: Any) -> list[Row] | None:
    """yt-dlp's most-replayed curve."""
    points = [
        {
            "start": _float(item.get("start_time")),
            "end": _float(item.get("end_time")),
            "value": _float(item.get("value")),
        }
        for item in (value if isinstance(value, list) else [])
        if isinstance(item, Mapping)
    ]
    return points or None
