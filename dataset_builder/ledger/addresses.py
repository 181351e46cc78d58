"""One spelling for the addresses of one thing."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

YOUTUBE_HOSTS = frozenset({"youtube.com", "youtu.be", "youtube-nocookie.com"})
_HOST = r"(?:(?:www|m|music|gaming|consent|[a-z]{2})\.)*(?:youtube(?:-nocookie)?\.com|youtu\.be)"
_IS, _AND = "(?:=|%3D|%253D)", "(?:[?&;]|%3F|%26|%253F|%2526)"
# Where a video's 11 characters begin, in the syntax that RE2 (inside DuckDB) and `re` read alike.
# Not every address with a v= is a video: youtube.com/redirect?…&v= leads away from one.
YOUTUBE_ID = (
    rf"(?i:^https?://(?:[^/?#@]*@)?(?:{_HOST}(?::\d+)?/*"
    r"(?:[a-z]*(?:\?[^#]*)?#!?/*)?"  # m.youtube.com/#/watch?v=, youtube.com/tv#/watch?v=
    r"(?:(?:(?:watch|movie)(?:_popup)?(?:\.php)?|w|ytscreeningroom|all_comments)?/*"
    rf"(?:\?|%3F|#!?)(?:[^#]*?[&;?])??vi?{_IS}"
    r"|(?:watch|embed|shorts|live|e|v|vi)/+"
    # pages that lead to a video once one is of age, known, or thanked
    r"|(?:attribution_link|signin|verify_age|verify_controversy|das_captcha|oembed|m)\?"
    rf"(?:[^#]*?&)?(?:u|next|next_url|continue|url)=[^#]*?{_AND}v{_IS}"
    r"|(?:user/)?[^/?#]+#p/(?:[a-z0-9]+/)+)"  # a channel's player of 2009
    r"|(?:www\.|m\.)?youtu\.be(?::\d+)?/+))([0-9A-Za-z_-]{11})"
)
# words of 11 characters in the place of an id: a playlist's player, a channel's broadcast, a page
NO_VIDEOS = ("videoseries", "live_stream", "attribution")
PLAYERS = ("watch", "embed", "shorts", "live", "e", "v")
_VIDEO = re.compile(YOUTUBE_ID)


def youtube_video(url: str) -> str | None:
    """The 11 characters of the video that a YouTube address leads to, None where it is no video."""
    found = _VIDEO.match(url)
    return found.group(1) if found and found.group(1) not in NO_VIDEOS else None


def _youtube_page(host: str, path: str, query: str) -> str:
    """What is no video of 11 characters: a shorter id, else a page with what its query tells."""
    first, *rest = path.split("/")
    said = parse_qs(query).get("v", [""])[0] if first in ("", "watch") else ""
    if not said and (host == "youtu.be" or (first in PLAYERS and rest)):
        said = path.split("/")[-1]
    return f"watch?v={said}" if said else f"{path}?{query}".removesuffix("?")


def canonical_url(url: str | None) -> str | None:
    """One spelling for the addresses of one thing: scheme, www, slash, query and fragment apart."""
    if not url:
        return None
    if url.startswith("/r/"):  # permalinks of the dumps have no host
        url = f"reddit.com{url}"
    parts = urlsplit(url if "//" in url else f"//{url}")
    if video := youtube_video(parts._replace(scheme="https").geturl()):
        return f"youtube.com/watch?v={video}"
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("old.")
    if host in YOUTUBE_HOSTS:
        return f"youtube.com/{_youtube_page(host, parts.path.strip('/'), parts.query)}"
    if host == "redd.it" or host.endswith("reddit.com"):
        post = re.search(r"(?:/comments)?/([0-9A-Za-z]+)", parts.path)
        found = re.search(r"/comments/([0-9A-Za-z]+)", parts.path) or (
            post if host == "redd.it" else None
        )
        if found:
            return f"reddit.com/comments/{found.group(1)}"
    if host == "preview.redd.it":  # the same picture, smaller
        host = "i.redd.it"
    return f"{host}{parts.path.rstrip('/')}"


def comment_of(url: str) -> str | None:
    """The id of the one comment that an address shows: Reddit's permalinks, YouTube's `lc`."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = (parts.hostname or "").lower()
    if host.endswith("youtube.com"):
        return parse_qs(parts.query).get("lc", [None])[0]
    # "comment" or "_" may stand in place of the title
    found = re.fullmatch(r".*/comments/\w+/[^/]*/(\w+)/?", parts.path)
    return found.group(1) if found and "reddit" in (host or url) else None
