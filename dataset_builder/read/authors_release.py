"""The authors' released BLIFT rows (url, permalink, comments, num_comments, subreddit, title).

Ids come from the permalink. The release has no dates, scores, authors or comment ids.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dataset_builder.ledger.addresses import youtube_video
from dataset_builder.read.ndjson import mend
from dataset_builder.read.reddit import subreddits
from dataset_builder.read.youtube import Row, Rows
from dataset_builder.settings import Settings

FIELDS = ("url", "permalink", "comments", "num_comments", "subreddit", "title")
_POST_ID = re.compile(r"/comments/([0-9a-z]+)", re.I)


def is_release(names: Any) -> bool:
    """True when these field names are the release's and no dump's."""
    present = set(names)
    return {"permalink", "comments", "title"} <= present and "created_utc" not in present


def parse(record: Mapping[str, Any], settings: Settings, rows: Rows) -> None:
    """Add one released row; ValueError when no post id can be read from it."""
    permalink, url = str(record.get("permalink") or ""), str(record.get("url") or "")
    found = _POST_ID.search(permalink) or _POST_ID.search(url)
    if not found:
        raise ValueError("no Reddit post id in its permalink or url")
    native = found.group(1)
    subreddit = str(record.get("subreddit") or "").lower().removeprefix("r/")
    _, videos = subreddits(settings)
    count = record.get("num_comments")
    row: Row = {
        "id": f"reddit-{native}",
        "source": "reddit",
        "media_type": "video" if subreddit in videos else "image",
        "native_id": native,
        "url": mend(url),
        "media_key": youtube_video(url) or native,
        "subreddit": subreddit or None,
        "host": _host(url),
        # without the words of the title, which may hold anything
        "permalink": f"https://www.reddit.com/r/{subreddit or 'all'}/comments/{native}/",
        "title": mend(str(record.get("title") or "")),
        "num_comments": count if isinstance(count, int) else None,
        "gallery": "/gallery/" in url,
        "is_self": False,
        "comments_disabled": False,
    }
    rows.posts.append(row)
    for position, text in enumerate(_texts(record.get("comments"))):
        rows.comments.append(
            {
                "post_id": row["id"],
                "id": f"{native}.{position}",
                "body": mend(text),
                "position": position,
                "reply": False,
            }
        )


def _host(url: str) -> str | None:
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return None
    return host.removeprefix("www.") or None


def _texts(comments: Any) -> list[str]:
    """Comment texts; the release holds plain strings, other exports {"body"|"text": …}."""
    texts = []
    for item in comments if isinstance(comments, list) else []:
        if isinstance(item, Mapping):
            item = item.get("body") or item.get("text")
        texts.append(str(item or ""))
    return texts
