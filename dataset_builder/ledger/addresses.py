"""One spelling for the addresses of one thing."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

YOUTUBE_HOSTS = frozenset({"youtube.com", "youtu.be", "youtube-nocookie.com"})


def canonical_url(url: str | None) -> str | None:
    """One spelling for the addresses of one thing: scheme, www, slash, query and fragment apart."""
    if not url:
        return None
    if url.startswith("/r/"):  # permalinks of the dumps have no host
        url = f"reddit.com{url}"
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("old.")
    if host in YOUTUBE_HOSTS:
        video = parse_qs(parts.query).get("v", [""])[0] or parts.path.rstrip("/").split("/")[-1]
        return f"youtube.com/watch?v={video}"
    if host == "redd.it" or host.endswith("reddit.com"):
        post = re.search(r"(?:/comments)?/([0-9a-z]+)", parts.path)
        found = re.search(r"/comments/([0-9a-z]+)", parts.path) or (
            post if host == "redd.it" else None
        )
        if found:
            return f"reddit.com/comments/{found.group(1)}"
    if host == "preview.redd.it":  # the same picture, smaller
        host = "i.redd.it"
    return f"{host}{parts.path.rstrip('/')}"
