"""The keys by which two items are the same: YouTube id, title, long runs of words."""

import html
import re
import unicodedata
from collections.abc import Iterator

ID = re.compile(r"[A-Za-z0-9_-]{11}")
URL = re.compile(
    r"(?:https?://)?(?:[\w-]+\.)*(?:youtube(?:-nocookie)?\.com|youtu\.be)/[^\s\"'<>]+",
    re.IGNORECASE,
)
IN_PATH = re.compile(
    r"(?:youtu\.be|/(?:embed|shorts|live|v|e))/([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])"
)
IN_QUERY = re.compile(r"[?&]vi?=([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])")
WORD = re.compile(r"\w+")
# a shorter title only supports another signal
TITLE_WORDS = 3
RUN_WORDS = 13


def youtube_id(url: str) -> str | None:
    """The id inside a YouTube address of any form; ids are case sensitive; None elsewhere."""
    text = html.unescape(url or "")
    if not URL.search(text):
        return None
    found = IN_QUERY.search(text) or IN_PATH.search(text)
    return found.group(1) if found else None


def title_key(title: str | None) -> str:
    """NFKC, case folded, runs of non-word characters as one blank; "" never matches."""
    text = unicodedata.normalize("NFKC", title or "").casefold()
    return re.sub(r"[\W_]+", " ", text).strip()


def long_title(key: str) -> bool:
    """A title that can match alone."""
    return len(key.split()) >= TITLE_WORDS


def word_runs(text: str | None) -> Iterator[str]:
    """Every run of 13 words of a text, in key form; nothing for shorter texts."""
    words = title_key(text).split()
    for start in range(len(words) - RUN_WORDS + 1):
        yield " ".join(words[start : start + RUN_WORDS])
