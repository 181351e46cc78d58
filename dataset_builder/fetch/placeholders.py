"""Pictures that hosts send in place of one that is gone: known by size, hash or where they lie.

Two posts that show one are no reposts of each other.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

# width and height -> whose; pictures that people post are larger
SIZES = {
    (161, 81): "imgur: removed",
    (130, 60): "Reddit: probably deleted",
}
MOST_BYTES = 8192
IMGUR_ETAG = "d835884373f4d6c8f24742ceabe74946"
GONE = re.compile(
    r"/(?:removed|deleted|(?:photo|image|media)[_-]?(?:unavailable|removed|deleted|not[_-]?found)|"
    r"unavailable|not[_-]?found|404|placeholder)\.(?:png|gif|jpe?g|webp)$",
    re.IGNORECASE,
)


def named_placeholder(asked: str, given: str, etag: str) -> str | None:
    """Why the answer to `asked`, which came from `given`, is no one's picture; None where it is."""
    if etag.removeprefix("W/").strip('"') == IMGUR_ETAG:
        return "placeholder: imgur: removed"
    if urlsplit(asked).path != urlsplit(given).path and GONE.search(urlsplit(given).path):
        return f"placeholder: redirected to {given}"
    return None


def seen_placeholder(
    width: int | None, height: int | None, size: int, sha256: str, listed: Collection[str]
) -> str | None:
    """The same of a picture that is there; `listed` are SHA-256 of further ones."""
    if sha256 in listed:
        return "placeholder: listed in media.placeholders"
    known = SIZES.get((width or 0, height or 0))
    return f"placeholder: {known}" if known and size <= MOST_BYTES else None
